//! permessage-deflate over a scripted stream: which messages come out, what is sent, and what is refused.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;

use std::time::Instant;

use bytes::Bytes;
use s9_websocket_core::{
    Connection, ErrorCode, Limits, PerMessageDeflateAgreement, PerMessageDeflateOptions, Sent,
};
use script::*;
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The server's side of the compression.
struct Peer {
    deflate: Deflate,
    inflate: Inflate,
}

impl Peer {
    fn new() -> Self {
        Self { deflate: Deflate::new(6, false, 15), inflate: Inflate::new(false, 15) }
    }

    fn deflated(&mut self, message: impl AsRef<[u8]>) -> Vec<u8> {
        let mut payload = vec![0; 2 * message.as_ref().len() + 100];
        let before = self.deflate.total_out();
        self.deflate.compress(message.as_ref(), &mut payload, DeflateFlush::SyncFlush).unwrap();
        payload.truncate((self.deflate.total_out() - before) as usize - TAIL.len());
        payload
    }

    /// A compressed message in one frame.
    fn message(&mut self, opcode: u8, message: impl AsRef<[u8]>) -> Vec<u8> {
        raw_frame(0x80 | RSV1 | opcode, self.deflated(message))
    }

    /// What the client's frame carries.
    fn opened(&mut self, frame: &Frame) -> Vec<u8> {
        if !frame.compressed {
            return frame.payload.clone();
        }
        let mut message = vec![0; 1 << 20];
        let before = self.inflate.total_out();
        let data = [&frame.payload[..], &TAIL].concat();
        self.inflate.decompress(&data, &mut message, InflateFlush::SyncFlush).unwrap();
        message.truncate((self.inflate.total_out() - before) as usize);
        message
    }
}

fn everything() -> PerMessageDeflateOptions {
    PerMessageDeflateOptions::new().threshold(0)
}

fn with(tail: Vec<u8>, inputs: Vec<Input>, limits: Limits) -> Connection<Script> {
    let agreed = PerMessageDeflateAgreement::default();
    Connection::with_per_message_deflate(Script::new(inputs), tail, limits, everything(), agreed)
}

fn opened(inputs: impl IntoIterator<Item = Input>) -> Connection<Script> {
    let mut connection = with(Vec::new(), inputs.into_iter().collect(), Limits::default());
    assert_eq!(events(&mut connection, Instant::now(), 1), ["activated"]);
    connection
}

/// Everything that comes of `bytes`, then the end of the stream, within `limits`.
fn after(bytes: Vec<u8>, limits: Limits) -> (Vec<String>, Vec<Frame>) {
    let mut connection = with(Vec::new(), vec![Input::Bytes(bytes), Input::End], limits);
    let log = events_to_the_end(&mut connection, Instant::now(), 100);
    (log, connection.stream().frames())
}

fn assert_violation(bytes: Vec<u8>, limits: Limits, code: u16, error: ErrorCode) {
    let (log, frames) = after(bytes, limits);
    assert_eq!(log, ["activated", &format!("error {error}"), "quit"]);
    assert_eq!(frames, [Frame::close(code, "")]);
}

#[test]
fn compressed_and_plain_messages_come_out_in_order_wherever_the_stream_is_cut() {
    let mut peer = Peer::new();
    let text = peer.message(TEXT, "compressed, compressed");
    let binary = peer.message(BINARY, "compressed, compressed");
    let fragmented = peer.deflated("a message in fragments, in fragments");
    let (first, second) = fragmented.split_at(fragmented.len() / 2);
    let bytes = [
        text,
        frame(TEXT, "plain"),
        binary,
        raw_frame(RSV1 | TEXT, first),
        frame(PING, "between"),
        raw_frame(CONTINUATION, ""),
        frame(CONTINUATION, second),
        frame(BINARY, "plain"),
        raw_frame(TEXT, "pl"),
        frame(CONTINUATION, "ain"),
        raw_frame(0x80 | RSV1 | TEXT, [0x00]),
        peer.message(TEXT, "é€"),
    ]
    .concat();
    let expected = [
        "activated",
        "text compressed, compressed",
        "text plain",
        "binary compressed, compressed",
        "ping between",
        "text a message in fragments, in fragments",
        "binary plain",
        "text plain",
        "text ",
        "text é€",
    ];
    for cut in 0..=bytes.len() {
        let (head, rest) = bytes.split_at(cut);
        let chunks = || vec![Input::Bytes(head.to_vec()), Input::Bytes(rest.to_vec())];
        let mut connection = with(Vec::new(), chunks(), Limits::default());
        assert_eq!(events(&mut connection, Instant::now(), 99), expected, "cut at {cut}");
        // The same where the head was read together with the 101.
        let mut connection = with(head.to_vec(), vec![Input::Bytes(rest.to_vec())], Limits::default());
        assert_eq!(events(&mut connection, Instant::now(), 99), expected, "{cut} bytes past the 101");
    }
    let singly = bytes.iter().map(|byte| Input::Bytes(vec![*byte])).collect();
    assert_eq!(events(&mut with(Vec::new(), singly, Limits::default()), Instant::now(), 99), expected);
}

#[test]
fn rsv1_is_a_violation_unless_agreed_on() {
    let mut connection = connection([Input::Bytes(Peer::new().message(TEXT, "hello")), Input::End]);
    let log = events_to_the_end(&mut connection, Instant::now(), 100);
    assert_eq!(log, ["activated", "error ERR_S9_PROTOCOL", "quit"]);
    assert_eq!(connection.stream().frames(), [Frame::close(1002, "")]);
}

#[test]
fn rsv1_where_it_means_nothing_is_a_violation() {
    let fragment = || raw_frame(RSV1 | TEXT, [0xf2, 0x48]);
    for bytes in [
        raw_frame(0x80 | RSV1 | PING, ""),
        raw_frame(0x80 | RSV1 | PONG, ""),
        raw_frame(0x80 | RSV1 | CLOSE, [3, 232]),
        raw_frame(0x80 | RSV1 | CONTINUATION, ""),
        [fragment(), raw_frame(0x80 | RSV1 | CONTINUATION, [0xcd])].concat(),
        [fragment(), raw_frame(0x80 | RSV1 | TEXT, [0xcd])].concat(),
        raw_frame(0x80 | RSV1 | 3, ""),
        raw_frame(0x80 | RSV1 | 0x20 | TEXT, ""),
        raw_frame(0x80 | 0x10 | TEXT, ""),
    ] {
        assert_violation(bytes, Limits::default(), 1002, ErrorCode::Protocol);
    }
}

#[test]
fn data_that_does_not_inflate_ends_in_1007() {
    let whole = Peer::new().deflated("hello hello hello hello");
    let cut = &whole[..whole.len() - 3];
    for payload in [cut, &[][..], &[0xff, 0xff], &[&whole[..], b"trailing"].concat()] {
        let bytes = [raw_frame(0x80 | RSV1 | BINARY, payload), frame(TEXT, "never delivered")].concat();
        assert_violation(bytes, Limits::default(), 1007, ErrorCode::Protocol);
    }
}

#[test]
fn text_is_checked_once_inflated() {
    let bytes = Peer::new().message(TEXT, b"\xc3\x28 is not UTF-8");
    assert_violation(bytes, Limits::default(), 1007, ErrorCode::InvalidUtf8);
}

#[test]
fn text_is_refused_before_its_frame_is_whole_only_if_that_is_not_compressed() {
    let begun = |first| raw_frame(first, [0xff; 9])[..5].to_vec();
    for first in [0x80 | TEXT, TEXT] {
        assert_violation(begun(first), Limits::default(), 1007, ErrorCode::InvalidUtf8);
        let (log, _) = after(begun(first | RSV1), Limits::default());
        assert_eq!(log, ["activated", "error ERR_S9_CONNECTION_CLOSED", "quit"]);
    }
}

#[test]
fn the_message_limit_holds_for_what_comes_out_and_the_frame_limit_for_what_comes_in() {
    let limits = || Limits { max_message_size: 1000, max_frame_size: 500, ..Limits::default() };
    let over = Peer::new().message(BINARY, [0; 1001]);
    assert_violation(over, limits(), 1009, ErrorCode::MessageTooLarge);
    let plain = [raw_frame(BINARY, [0; 500]), raw_frame(CONTINUATION, [0; 500]), frame(CONTINUATION, [0])];
    assert_violation(plain.concat(), limits(), 1009, ErrorCode::MessageTooLarge);
    let frame = raw_frame(0x80 | RSV1 | BINARY, [0; 501]);
    assert_violation(frame, limits(), 1009, ErrorCode::MessageTooLarge);

    // Noise of just the limit is larger on the way.
    let noise: Vec<u8> =
        (0..250_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).rotate_left(n).to_be_bytes()).collect();
    let payload = Peer::new().deflated(&noise);
    assert!(payload.len() > 1000);
    let (first, second) = payload.split_at(500);
    let (second, third) = second.split_at(500);
    let bytes = [raw_frame(RSV1 | BINARY, first), raw_frame(0, second), raw_frame(0x80, third)].concat();
    let (log, _) = after(bytes, limits());
    assert!(log[1].starts_with("binary "), "{log:?}");
}

#[test]
fn messages_are_sent_compressed_in_one_context() {
    let mut connection = opened([]);
    let text = "the same words again and again, the same words again and again";
    assert_eq!(connection.send_text(text).unwrap(), Sent::Flushed);
    connection.send_binary(Bytes::from(text)).unwrap();
    connection.send_ping(Bytes::from_static(b"plain")).unwrap();
    let frames = connection.stream().frames();
    let kinds: Vec<_> = frames.iter().map(|frame| (frame.opcode, frame.compressed)).collect();
    assert_eq!(kinds, [(TEXT, true), (BINARY, true), (PING, false)]);
    assert!(frames[0].payload.len() < text.len() && frames[1].payload.len() < 10, "{frames:?}");
    let mut peer = Peer::new();
    assert_eq!([peer.opened(&frames[0]), peer.opened(&frames[1])], [text.as_bytes(), text.as_bytes()]);
}

#[test]
fn a_message_is_sent_as_it_is_by_choice_when_short_or_empty() {
    let agreed = PerMessageDeflateAgreement::default();
    let options = PerMessageDeflateOptions::new().threshold(10);
    let script = Script::new([]);
    let mut connection =
        Connection::with_per_message_deflate(script, Vec::new(), Limits::default(), options, agreed);
    connection.send_text_uncompressed("ten bytes!").unwrap();
    connection.send_binary_uncompressed(Bytes::from_static(b"ten bytes!")).unwrap();
    connection.send_text("9 bytes..").unwrap();
    connection.send_text("").unwrap();
    connection.send_text("ten bytes!").unwrap();
    let frames = connection.stream().frames();
    assert_eq!(
        frames[..4],
        [
            Frame::new(TEXT, "ten bytes!"),
            Frame::new(BINARY, "ten bytes!"),
            Frame::new(TEXT, "9 bytes.."),
            Frame::new(TEXT, ""),
        ]
    );
    assert!(frames[4].compressed);
    assert_eq!(Peer::new().opened(&frames[4]), b"ten bytes!");
}

#[test]
fn queued_messages_are_counted_uncompressed_and_sent_compressed_in_the_order_they_are_sent() {
    let mut connection = opened([]);
    connection.stream_mut().room = 3;
    let messages: Vec<_> = (0..50).map(|n| format!("message {n} of the same words and words")).collect();
    assert_eq!(connection.send_text(&messages[0]).unwrap(), Sent::Queued);
    let first = connection.buffered_amount();
    let mut queued = 0;
    for (index, message) in messages.iter().enumerate().skip(1) {
        let sent = match index % 3 {
            0 => connection.send_text_uncompressed(message),
            _ => connection.send_text(message),
        };
        assert_eq!(sent.unwrap(), Sent::Queued);
        // A frame's header and mask are 6 bytes.
        queued += 6 + message.len();
        assert_eq!(connection.buffered_amount(), first + queued);
    }
    while connection.buffered_amount() > 0 {
        connection.stream_mut().room = 7;
        events(&mut connection, Instant::now(), 9);
    }
    let mut peer = Peer::new();
    let opened: Vec<_> = connection.stream().frames().iter().map(|frame| peer.opened(frame)).collect();
    assert_eq!(opened, messages.iter().map(String::as_bytes).collect::<Vec<_>>());
}

#[test]
fn corked_messages_go_out_compressed_in_one_write() {
    let mut connection = opened([]);
    connection.cork();
    for _ in 0..3 {
        connection.send_text("the same words again and again").unwrap();
    }
    assert_eq!(connection.stream().writes, 0);
    connection.uncork();
    assert_eq!(connection.stream().writes, 1);
    let mut peer = Peer::new();
    let frames = connection.stream().frames();
    assert_eq!(frames.len(), 3);
    for frame in &frames {
        assert_eq!(peer.opened(frame), b"the same words again and again");
    }
}
