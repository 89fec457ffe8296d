//! Every row of the state table, on a scripted stream: no network, and time only as a parameter.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;

use std::{
    io,
    time::{Duration, Instant},
};

use s9_websocket_core::{CloseFrame, Connection, ErrorCode, Limits, Step, WebSocketEvent};
use script::*;

const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Feeds `bytes`, then the end of the stream; the events and the frames sent.
fn after(bytes: impl Into<Vec<u8>>) -> (Vec<String>, Vec<Frame>) {
    let mut connection = connection([Input::Bytes(bytes.into()), Input::End]);
    let log = events_to_the_end(&mut connection, Instant::now(), 100);
    (log, connection.stream().frames())
}

fn assert_violation(bytes: impl Into<Vec<u8>>, code: u16, error: ErrorCode) {
    let (log, frames) = after(bytes);
    assert_eq!(log, ["activated", &format!("error {error}"), "quit"]);
    assert_eq!(frames, [Frame::close(code, "")]);
}

#[test]
fn activated_comes_before_everything_and_quit_once_after_everything() {
    let mut connection = connection([Input::Bytes(frame(TEXT, "hi")), Input::End]);
    let log = events_to_the_end(&mut connection, Instant::now(), 100);
    assert_eq!(log, ["activated", "text hi", "error ERR_S9_CONNECTION_CLOSED", "quit"]);
    for _ in 0..3 {
        assert!(matches!(connection.step(Instant::now()), Step::Ended));
    }
}

#[test]
fn messages_read_past_the_upgrade_are_delivered() {
    let script = Script::new([Input::Bytes(frame(TEXT, "second"))]);
    let mut connection = Connection::new(script, frame(TEXT, "first"), Limits::default());
    assert_eq!(events(&mut connection, Instant::now(), 9), ["activated", "text first", "text second"]);
}

#[test]
fn a_step_reads_at_most_one_message() {
    let mut connection = open([Input::Bytes([frame(TEXT, "a"), frame(BINARY, "b")].concat())]);
    assert!(matches!(connection.step(Instant::now()), Step::Event(_)));
    assert_eq!(events(&mut connection, Instant::now(), 9), ["binary b"]);
}

#[test]
fn a_fragmented_message_is_delivered_whole_around_the_control_frames_between() {
    let bytes = [
        raw_frame(TEXT, "h"),
        frame(PING, "?"),
        raw_frame(CONTINUATION, ""),
        frame(PONG, "!"),
        frame(CONTINUATION, "i"),
    ];
    let mut connection = open([Input::Bytes(bytes.concat())]);
    assert_eq!(events(&mut connection, Instant::now(), 9), ["ping ?", "pong !", "text hi"]);
    assert_eq!(connection.stream().frames(), [Frame::new(PONG, "?")]);
}

/// Whole frames up to some size are taken as they are, the rest goes another way; all ways meet.
#[test]
fn messages_of_every_length_come_whole_and_in_order_however_the_stream_is_cut() {
    let lengths = [0, 1, 125, 126, 8_190, 16_384, 65_535, 65_536, 66_549, 66_550, 66_551, 66_561, 200_000];
    let mut bytes = Vec::new();
    let mut expected = Vec::new();
    for length in lengths {
        let payload: String = (0..length).map(|index| char::from(b'a' + (index % 23) as u8)).collect();
        let (first, second) = payload.split_at(length / 2);
        bytes.extend(frame(TEXT, &payload));
        bytes.extend(frame(PING, "?"));
        bytes.extend(raw_frame(BINARY, first));
        bytes.extend(frame(PONG, "!"));
        bytes.extend(frame(CONTINUATION, second));
        bytes.extend(frame(BINARY, length.to_string()));
        expected.extend([format!("text {payload}"), "ping ?".into(), "pong !".into()]);
        expected.extend([format!("binary {payload}"), format!("binary {length}")]);
    }
    for piece in [997, 16_384, 66_560, 70_000, bytes.len()] {
        let mut connection = open([]);
        let mut log = Vec::new();
        for piece in bytes.chunks(piece) {
            connection.stream_mut().push_bytes(piece);
            log.extend(events(&mut connection, Instant::now(), usize::MAX));
        }
        assert!(log == expected, "in pieces of {piece}");
    }
}

/// What a connection holds of the stream must stay with it, whatever the frames of a message come to.
#[test]
fn what_follows_a_fragmented_message_of_any_length_is_not_lost() {
    for lengths in [[62, 63], [125, 125], [65_535, 1], [65_535, 125], [65_535, 126], [32_768, 32_768]] {
        let [first, second] = lengths.map(|length| vec![b'x'; length]);
        let whole = format!("text {}", "x".repeat(lengths.iter().sum()));
        let following: Vec<_> = (0..9).flat_map(|number| frame(TEXT, number.to_string())).collect();
        let bytes = [raw_frame(TEXT, first), frame(CONTINUATION, second), following].concat();
        // Cut everywhere in the messages that follow.
        for kept_back in 0..=27 {
            let (now, later) = bytes.split_at(bytes.len() - kept_back);
            let inputs =
                [Input::Bytes(now.to_vec()), Input::Block, Input::Bytes(later.to_vec()), Input::Block];
            let (mut connection, mut other) = (open(inputs), open([]));
            let mut log = Vec::new();
            for _ in 0..40 {
                log.extend(events(&mut connection, Instant::now(), 1));
                // Another connection of this thread gets nothing of it.
                assert_eq!(events(&mut other, Instant::now(), 1), [""; 0]);
            }
            let expected = (0..9).map(|number| format!("text {number}"));
            assert!(
                log.iter().eq([whole.clone()].iter().chain(&expected.collect::<Vec<_>>())),
                "{lengths:?}"
            );
        }
    }
}

#[test]
fn a_message_in_single_bytes_with_would_blocks_between_is_delivered_once() {
    let bytes = frame(TEXT, "slow");
    let inputs = bytes.into_iter().flat_map(|byte| [Input::Bytes(vec![byte]), Input::Block]);
    let mut connection = open(inputs);
    let mut log = Vec::new();
    for _ in 0..20 {
        log.extend(events(&mut connection, Instant::now(), 9));
    }
    assert_eq!(log, ["text slow"]);
}

#[test]
fn peer_close_is_answered_once_and_reported_at_the_end_of_the_stream() {
    let now = Instant::now();
    let mut connection = open([Input::Bytes(close_frame(4000, "bye"))]);
    assert!(events(&mut connection, now, 9).is_empty());
    assert!(!connection.is_open());
    assert_eq!(connection.stream().frames(), [Frame::close(4000, "bye")]);
    assert!(events(&mut connection, now, 9).is_empty());
    connection.stream_mut().push(Input::End);
    assert_eq!(events_to_the_end(&mut connection, now, 9), ["closed 4000 bye", "quit"]);
    assert_eq!(connection.stream().frames().len(), 1);
}

#[test]
fn own_close_waits_for_the_peers_close_and_the_end_and_keeps_code_and_reason() {
    let now = Instant::now();
    let mut connection = open([]);
    connection.close(Some(CloseFrame::new(3001, "done"))).unwrap();
    assert_eq!(connection.stream().frames(), [Frame::close(3001, "done")]);
    assert!(events(&mut connection, now, 9).is_empty());
    // The peer may have sent messages before it saw our Close.
    connection.stream_mut().push_bytes([frame(TEXT, "late"), frame(PING, "p")].concat());
    assert_eq!(events(&mut connection, now, 9), ["text late", "ping p"]);
    connection.stream_mut().push_bytes(close_frame(3002, "ok"));
    assert!(events(&mut connection, now, 9).is_empty());
    connection.stream_mut().push(Input::End);
    assert_eq!(events_to_the_end(&mut connection, now, 9), ["closed 3002 ok", "quit"]);
    // RFC 6455, section 5.5.1: after a Close nothing is sent, a pong neither.
    assert_eq!(connection.stream().frames(), [Frame::close(3001, "done")]);
}

#[test]
fn close_without_a_frame_sends_1000_and_a_second_close_does_nothing() {
    let mut connection = open([]);
    connection.close(None).unwrap();
    connection.close(Some(CloseFrame::new(3000, "again"))).unwrap();
    events(&mut connection, Instant::now(), 9);
    assert_eq!(connection.stream().frames(), [Frame::close(1000, "")]);
}

#[test]
fn a_close_without_a_code_is_reported_as_1005() {
    let (log, frames) = after(frame(CLOSE, ""));
    assert_eq!(log, ["activated", "closed 1005 ", "quit"]);
    assert_eq!(frames, [Frame::new(CLOSE, "")]);
}

#[test]
fn an_end_within_the_closing_handshake_is_reported_as_1006() {
    let mut connection = open([Input::End]);
    connection.close(None).unwrap();
    assert_eq!(events_to_the_end(&mut connection, Instant::now(), 9), ["closed 1006 ", "quit"]);
}

#[test]
fn a_reset_within_the_closing_handshake_keeps_the_code_received() {
    let mut connection = open([
        Input::Bytes(close_frame(1001, "going away")),
        Input::Block,
        Input::Fail(io::ErrorKind::ConnectionReset),
    ]);
    let log = events_to_the_end(&mut connection, Instant::now(), 9);
    assert_eq!(log, ["closed 1001 going away", "quit"]);
}

#[test]
fn bytes_after_the_peers_close_end_the_connection_without_an_event_of_their_own() {
    let (log, frames) = after([close_frame(1000, ""), frame(TEXT, "too late")].concat());
    assert_eq!(log, ["activated", "closed 1000 ", "quit"]);
    assert_eq!(frames.len(), 1);
}

#[test]
fn a_closing_handshake_ends_at_its_deadline() {
    let start = Instant::now();
    let mut connection = open([]);
    connection.close(None).unwrap();
    assert!(connection.needs_clock());
    assert!(events(&mut connection, start, 9).is_empty());
    assert_eq!(connection.deadline(), Some(start + CLOSE_TIMEOUT));
    assert!(events(&mut connection, start + CLOSE_TIMEOUT - Duration::from_nanos(1), 9).is_empty());
    assert_eq!(events(&mut connection, start + CLOSE_TIMEOUT, 9), ["closed 1006 ", "quit"]);
}

/// Found by the differential run: the garbage took the place of the code.
#[test]
fn what_follows_the_peers_close_changes_nothing() {
    for garbage in [&[0x13, 0x87][..], &frame(CONTINUATION, "x"), &[0x82, 0xff], &close_frame(999, "")] {
        let (log, frames) = after([&close_frame(4000, "bye")[..], garbage].concat());
        assert_eq!(log, ["activated", "closed 4000 bye", "quit"], "{garbage:?}");
        assert_eq!(frames, [Frame::close(4000, "bye")]);
    }
}

#[test]
fn after_the_peers_close_the_wait_for_the_end_of_the_stream_has_a_deadline() {
    let mut connection = open([Input::Bytes(close_frame(1000, "x"))]);
    // The clock may be stale while the connection is open.
    let stale = Instant::now();
    assert!(events(&mut connection, stale, 9).is_empty());
    let now = stale + 10 * CLOSE_TIMEOUT;
    assert!(events(&mut connection, now, 9).is_empty(), "the deadline was armed by a stale clock");
    assert_eq!(connection.deadline(), Some(now + CLOSE_TIMEOUT));
    assert_eq!(events(&mut connection, now + CLOSE_TIMEOUT, 9), ["closed 1000 x", "quit"]);
}

#[test]
fn a_close_that_could_not_be_answered_yet_is_answered_before_the_deadline() {
    let now = Instant::now();
    let mut connection = open([Input::Bytes(close_frame(1001, ""))]);
    connection.stream_mut().room = 0;
    assert!(events(&mut connection, now, 9).is_empty());
    assert!(connection.wants_write());
    connection.stream_mut().room = usize::MAX;
    assert!(events(&mut connection, now, 9).is_empty());
    assert_eq!(connection.stream().frames(), [Frame::close(1001, "")]);
}

#[test]
fn what_follows_the_peers_close_does_not_cut_off_what_goes_out_ahead_of_the_answer() {
    for following in [Input::Bytes(frame(PING, "")), Input::Bytes(frame(TEXT, "late")), Input::End] {
        let now = Instant::now();
        let mut connection = open([]);
        connection.stream_mut().room = 1;
        connection.send_text("one").unwrap();
        connection.send_text("two").unwrap();
        connection.stream_mut().push_bytes(close_frame(1001, ""));
        connection.stream_mut().push(following.clone());
        assert!(events(&mut connection, now, 9).is_empty(), "{following:?}");
        assert!(!connection.wants_read());
        connection.stream_mut().room = usize::MAX;
        let log = events_to_the_end(&mut connection, now, 9);
        assert_eq!(log, ["closed 1001 ", "quit"], "{following:?}");
        let sent = [Frame::new(TEXT, "one"), Frame::new(TEXT, "two"), Frame::close(1001, "")];
        assert_eq!(connection.stream().frames(), sent, "{following:?}");
    }
}

#[test]
fn an_end_without_a_close_is_an_error() {
    let (log, frames) = after([]);
    assert_eq!(log, ["activated", "error ERR_S9_CONNECTION_CLOSED", "quit"]);
    assert_eq!(frames, []);
}

#[test]
fn a_reset_is_reported_once_as_an_io_error() {
    let mut connection = connection([Input::Fail(io::ErrorKind::ConnectionReset)]);
    let log = events_to_the_end(&mut connection, Instant::now(), 9);
    assert_eq!(log, ["activated", "error ERR_S9_IO", "quit"]);
}

#[test]
fn a_stream_that_cannot_be_written_any_more_is_read_to_its_end_first() {
    let mut connection = open([Input::Bytes(frame(TEXT, "last words"))]);
    connection.stream_mut().write_failure = Some(io::ErrorKind::BrokenPipe);
    assert_eq!(connection.send_text("x").unwrap_err().code(), ErrorCode::Io);
    let log = events_to_the_end(&mut connection, Instant::now(), 9);
    assert_eq!(log, ["text last words", "error ERR_S9_IO", "quit"]);
}

/// The kernel tells of a reset once: after a write was told, a read finds the end of the stream.
#[test]
fn a_reset_of_which_a_write_was_told_is_no_mere_end() {
    for (failure, code) in [
        (io::ErrorKind::ConnectionReset, "ERR_S9_IO"),
        // The peer had ended the stream before, and has gone since.
        (io::ErrorKind::BrokenPipe, "ERR_S9_CONNECTION_CLOSED"),
    ] {
        let mut connection = open([Input::Bytes(frame(TEXT, "last words")), Input::End]);
        connection.stream_mut().write_failure = Some(failure);
        connection.send_text("x").unwrap_err();
        let log = events_to_the_end(&mut connection, Instant::now(), 9);
        assert_eq!(log, ["text last words".into(), format!("error {code}"), "quit".into()]);
    }
}

#[test]
fn a_reset_that_a_send_is_told_of_is_told_to_the_handler_too() {
    // The kernel tells of a reset once; a read after it finds a mere end, TLS a truncated one.
    for end in [Input::End, Input::FailSaying("unexpected eof")] {
        let mut connection = open([Input::Bytes(frame(TEXT, "last words")), end]);
        connection.stream_mut().write_failure = Some(io::ErrorKind::ConnectionReset);
        assert_eq!(connection.send_text("x").unwrap_err().code(), ErrorCode::Io);
        connection.step(Instant::now());
        let Step::Event(WebSocketEvent::Error(error)) = connection.step(Instant::now()) else {
            panic!("no error");
        };
        assert_eq!(error.code(), ErrorCode::Io);
        assert!(error.to_string().contains("reset"), "{error}");
    }
}

#[test]
fn a_pipe_that_breaks_behind_the_peers_end_leaves_it_the_end() {
    let mut connection = open([Input::End]);
    connection.stream_mut().write_failure = Some(io::ErrorKind::BrokenPipe);
    assert_eq!(connection.send_text("x").unwrap_err().code(), ErrorCode::Io);
    let log = events_to_the_end(&mut connection, Instant::now(), 9);
    assert_eq!(log, ["error ERR_S9_CONNECTION_CLOSED", "quit"]);
}

#[test]
fn protocol_violations_are_answered_with_1002() {
    let masked = [0x81, 0x81, 1, 2, 3, 4, b'a' ^ 1];
    let long_ping = frame(PING, [0; 126]);
    for (name, bytes) in [
        ("reserved bit", raw_frame(0xc1, "x")),
        ("masked frame", masked.to_vec()),
        ("reserved data opcode", raw_frame(0x83, "x")),
        ("reserved control opcode", raw_frame(0x8b, "x")),
        ("fragmented control frame", raw_frame(PING, "x")),
        ("long control frame", long_ping),
        ("continuation of nothing", frame(CONTINUATION, "x")),
        ("message within a message", [raw_frame(TEXT, "a"), frame(TEXT, "b")].concat()),
        ("close frame of one byte", frame(CLOSE, [3])),
    ] {
        println!("{name}");
        assert_violation(bytes, 1002, ErrorCode::Protocol);
    }
}

#[test]
fn a_close_code_that_may_not_be_sent_is_a_violation_and_not_a_closure() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, u16::MAX] {
        println!("{code}");
        assert_violation(close_frame(code, "why"), 1002, ErrorCode::Protocol);
    }
}

#[test]
fn a_close_code_that_may_be_sent_is_reported_and_answered_as_it_is() {
    for code in [1000, 1003, 1007, 1012, 1013, 1014, 3000, 4999] {
        let (log, frames) = after(close_frame(code, ""));
        assert_eq!(log, ["activated", &format!("closed {code} "), "quit"]);
        assert_eq!(frames, [Frame::close(code, "")]);
    }
    // What tungstenite makes of an invalid code: a peer that says so itself has closed.
    let (log, frames) = after(close_frame(1002, "Protocol violation"));
    assert_eq!(log, ["activated", "closed 1002 Protocol violation", "quit"]);
    assert_eq!(frames, [Frame::close(1002, "Protocol violation")]);
}

#[test]
fn an_invalid_answer_to_our_close_is_a_violation_and_gets_no_second_close() {
    for answer in [close_frame(999, ""), close_frame(1005, ""), frame(CLOSE, [3])] {
        let mut connection = open([]);
        connection.close(None).unwrap();
        connection.stream_mut().push_bytes(answer);
        let log = events_to_the_end(&mut connection, Instant::now(), 9);
        assert_eq!(log, ["error ERR_S9_PROTOCOL", "quit"]);
        assert_eq!(connection.stream().frames(), [Frame::close(1000, "")]);
    }
}

#[test]
fn pings_are_answered_until_a_close_frame_is_sent() {
    let mut connection = open([]);
    connection.stream_mut().room = 0;
    connection.send_text("x").unwrap();
    connection.close(None).unwrap();
    connection.stream_mut().push_bytes(frame(PING, "1"));
    assert_eq!(events(&mut connection, Instant::now(), 9), ["ping 1"]);
    connection.stream_mut().room = usize::MAX;
    connection.stream_mut().push_bytes(frame(PING, "2"));
    assert_eq!(events(&mut connection, Instant::now(), 9), ["ping 2"]);
    let sent = [Frame::new(TEXT, "x"), Frame::new(PONG, "1"), Frame::close(1000, "")];
    assert_eq!(connection.stream().frames(), sent);
}

#[test]
fn invalid_utf8_is_answered_with_1007() {
    assert_violation(frame(TEXT, b"\xff"), 1007, ErrorCode::InvalidUtf8);
    let fragments = [raw_frame(TEXT, b"\xc3"), frame(CONTINUATION, b"\x28")].concat();
    assert_violation(fragments, 1007, ErrorCode::InvalidUtf8);
    assert_violation(frame(CLOSE, b"\x03\xe8\xff"), 1007, ErrorCode::InvalidUtf8);
}

/// A frame that announces so many bytes, and has those that follow.
fn begun(first: u8, announced: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [&[first, 127][..], &announced.to_be_bytes(), bytes.as_ref()].concat()
}

/// What comes ahead of text of which more is still to come, in every kind of frame.
fn beginnings() -> [Vec<u8>; 5] {
    [
        begun(0x81, 1000, ""),
        begun(0x81, 100_000, ""),
        begun(TEXT, 1000, ""),
        [raw_frame(TEXT, "é"), frame(PING, b"\xff"), begun(CONTINUATION, 1000, "")].concat(),
        [raw_frame(TEXT, b"\xf0\x9f"), raw_frame(CONTINUATION, ""), begun(0x80, 1000, b"\x8c\x8d")].concat(),
    ]
}

/// Each with its last byte is no beginning of UTF-8, and without it is.
const WRONG: [&[u8]; 8] =
    [b"\xff", b"\x80", b"\xc0", b"\xe0\x80", b"\xed\xa0", b"\xf4\x90", b"\xc3\x28", b"\xe2\x82a"];

/// What a connection makes of these bytes and then of the end of the stream, if they come one at a time, in
/// two pieces, the first of them also in the tail of the upgrade, or all at once.
fn after_in_every_way(bytes: &[u8], limits: Limits) -> Vec<Vec<String>> {
    let singly = bytes.iter().flat_map(|&byte| [Input::Bytes(vec![byte]), Input::Block]).collect();
    let mut ways: Vec<(&[u8], Vec<Input>)> = vec![(&[], singly)];
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        ways.push((&[], vec![Input::Bytes(first.to_vec()), Input::Bytes(second.to_vec())]));
        ways.push((first, vec![Input::Bytes(second.to_vec())]));
    }
    let logs = ways.into_iter().map(|(tail, inputs)| {
        let script = Script::new(inputs.into_iter().chain([Input::End]));
        let mut connection = Connection::new(script, tail.to_vec(), limits);
        events_to_the_end(&mut connection, Instant::now(), 20 + 2 * bytes.len())
    });
    logs.collect()
}

fn assert_end_in_every_way(bytes: &[u8], limits: Limits, end: ErrorCode) {
    for log in after_in_every_way(bytes, limits) {
        assert_eq!(log[log.len() - 2..], [format!("error {end}"), "quit".into()], "{bytes:x?}");
    }
}

#[test]
fn text_that_cannot_become_utf8_is_refused_before_its_frame_is_whole() {
    for beginning in beginnings() {
        for wrong in WRONG {
            for before in [0, 1, 63, 64, 200] {
                let mut connection = open([Input::Bytes(beginning.clone())]);
                connection.stream_mut().push_bytes("é".repeat(before));
                let (last, others) = wrong.split_last().unwrap();
                for &byte in others {
                    connection.stream_mut().push_bytes([byte]);
                }
                let log = events(&mut connection, Instant::now(), 9);
                assert!(log.iter().all(|event| event.starts_with("ping")), "{log:?}");
                let answers = connection.stream().frames().len();
                connection.stream_mut().push_bytes([*last]);
                let log = events(&mut connection, Instant::now(), 9);
                assert_eq!(log, ["error ERR_S9_INVALID_UTF8", "quit"], "{wrong:x?} behind {before}");
                assert_eq!(connection.stream().frames()[answers..], [Frame::close(1007, "")]);
            }
        }
    }
}

#[test]
fn text_that_cannot_become_utf8_comes_before_the_end_of_the_stream_however_that_is_cut() {
    for beginning in beginnings() {
        for wrong in WRONG {
            let whole = frame(TEXT, "é");
            let bytes = [&whole[..], &beginning, "é€".as_bytes(), wrong].concat();
            assert_end_in_every_way(&bytes, Limits::default(), ErrorCode::InvalidUtf8);
            let cut = bytes.len() - 1;
            assert_end_in_every_way(&bytes[..cut], Limits::default(), ErrorCode::ConnectionClosed);
        }
    }
}

#[test]
fn text_cut_within_its_characters_is_delivered() {
    let text = "aé€\u{10ffff}\0\u{7ff}".repeat(6);
    for first in 0..=text.len() {
        let (start, end) = text.as_bytes().split_at(first);
        let fragments = [raw_frame(TEXT, start), frame(PING, ""), frame(CONTINUATION, end)].concat();
        let bytes = [fragments, frame(TEXT, &text), frame(TEXT, "next")].concat();
        for size in [1, 2, 3, 5, 64, bytes.len()] {
            let inputs = bytes.chunks(size).flat_map(|bytes| [Input::Bytes(bytes.to_vec()), Input::Block]);
            let mut connection = open(inputs);
            let mut log = Vec::new();
            for _ in 0..2 * bytes.len() {
                log.extend(events(&mut connection, Instant::now(), 9));
            }
            let expected = ["ping ", &format!("text {text}"), &format!("text {text}"), "text next"];
            assert_eq!(log, expected, "fragments at {first}, pieces of {size}");
        }
    }
}

/// What a frame is known to begin with is of no account for the next one.
#[test]
fn text_is_checked_to_its_end_and_the_next_one_from_its_beginning() {
    let valid = "é".repeat(50);
    let wrong = [valid.as_bytes(), b"\xff"].concat();
    for cut in 0..=wrong.len() {
        let (first, second) = wrong.split_at(cut);
        let (start, end) = valid.as_bytes().split_at(cut.min(valid.len()));
        for before in [
            frame(TEXT, &valid),
            frame(BINARY, &wrong),
            [raw_frame(TEXT, start), frame(CONTINUATION, end)].concat(),
        ] {
            let bytes = [&before[..], &frame(TEXT, "")[..], &[0x81, wrong.len() as u8], first].concat();
            let (now, later) = bytes.split_at(before.len() - 1);
            let mut connection = open([Input::Bytes(now.to_vec()), Input::Block]);
            connection.stream_mut().push_bytes(later);
            connection.stream_mut().push_bytes(second);
            let log = events_to_the_end(&mut connection, Instant::now(), 20);
            assert_eq!(log[1..], ["text ", "error ERR_S9_INVALID_UTF8", "quit"], "cut at {cut}");
        }
    }
}

#[test]
fn what_is_no_text_is_not_checked_as_text() {
    for bytes in [
        begun(0x82, 9, b"\xff"),
        begun(BINARY, 9, b"\xff"),
        [raw_frame(BINARY, ""), begun(CONTINUATION, 9, b"\xff")].concat(),
        [raw_frame(TEXT, ""), begun(0x80 | PING, 9, b"\xff")].concat(),
        [raw_frame(TEXT, ""), frame(CONTINUATION, ""), raw_frame(BINARY, ""), begun(0x80, 9, b"\xff")]
            .concat(),
        // To be refused for something else once they are whole.
        begun(0x81 | RSV1, 9, b"\xff"),
        begun(0x80, 9, b"\xff"),
        [raw_frame(TEXT, ""), frame(CONTINUATION, ""), begun(0x80, 9, b"\xff")].concat(),
        [raw_frame(TEXT, ""), begun(0x81, 9, b"\xff")].concat(),
        [raw_frame(BINARY, ""), begun(TEXT, 9, b"\xff")].concat(),
    ] {
        assert_end_in_every_way(&bytes, Limits::default(), ErrorCode::ConnectionClosed);
    }
}

#[test]
fn text_over_the_limits_is_too_large_whatever_is_in_it() {
    let limits = Limits { max_message_size: 10, max_frame_size: 20, ..Limits::default() };
    let only_frames = Limits { max_frame_size: 20, ..Limits::default() };
    assert_end_in_every_way(&begun(0x81, 21, b"\xff"), only_frames, ErrorCode::MessageTooLarge);
    for bytes in [
        begun(0x81, 21, b"\xff"),
        begun(TEXT, 21, b"\xff"),
        frame(TEXT, [0xff; 11]),
        [raw_frame(TEXT, "123456"), frame(CONTINUATION, [0xff; 5])].concat(),
    ] {
        assert_end_in_every_way(&bytes, limits, ErrorCode::MessageTooLarge);
    }
    let fits = [raw_frame(TEXT, "123456"), begun(CONTINUATION, 4, b"\xff")].concat();
    assert_end_in_every_way(&fits, limits, ErrorCode::InvalidUtf8);
}

#[test]
fn a_character_split_between_fragments_is_valid() {
    let bytes = [raw_frame(TEXT, b"\xc3"), frame(CONTINUATION, b"\xa9")].concat();
    let mut connection = open([Input::Bytes(bytes)]);
    assert_eq!(events(&mut connection, Instant::now(), 9), ["text é"]);
}

#[test]
fn what_is_over_the_limits_is_answered_with_1009_and_not_delivered() {
    let limits = Limits { max_message_size: 10, max_frame_size: 8, ..Limits::default() };
    let huge = [&[0x82, 127][..], &(1_u64 << 62).to_be_bytes()].concat();
    for bytes in [
        frame(BINARY, [0; 9]),
        huge,
        [raw_frame(BINARY, [0; 8]), frame(CONTINUATION, [0; 3])].concat(),
        [raw_frame(TEXT, [b'a'; 8]), raw_frame(CONTINUATION, [b'a'; 3])].concat(),
    ] {
        let script = Script::new([Input::Bytes(bytes), Input::Bytes(frame(TEXT, "after"))]);
        let mut connection = Connection::new(script, Vec::new(), limits);
        let log = events_to_the_end(&mut connection, Instant::now(), 9);
        assert_eq!(log, ["activated", "error ERR_S9_MESSAGE_TOO_LARGE", "quit"]);
        assert_eq!(connection.stream().frames(), [Frame::close(1009, "")]);
    }
    let fits = [raw_frame(BINARY, [b'a'; 8]), frame(CONTINUATION, [b'a'; 2])].concat();
    let mut connection = Connection::new(Script::new([Input::Bytes(fits)]), Vec::new(), limits);
    assert_eq!(events(&mut connection, Instant::now(), 9), ["activated", "binary aaaaaaaaaa"]);
}

#[test]
fn a_violation_waits_for_its_close_frame_to_be_taken_but_not_for_ever() {
    let start = Instant::now();
    for takes in [true, false] {
        let mut connection = open([Input::Bytes(raw_frame(0x83, "x"))]);
        connection.stream_mut().room = 1;
        assert!(events(&mut connection, start, 9).is_empty());
        assert!(connection.wants_write() && !connection.wants_read());
        assert!(events(&mut connection, start, 9).is_empty());
        let mut now = start;
        if takes {
            connection.stream_mut().room = usize::MAX;
        } else {
            now += CLOSE_TIMEOUT;
        }
        assert_eq!(events(&mut connection, now, 9), ["error ERR_S9_PROTOCOL", "quit"]);
        assert_eq!(takes, connection.stream().written.len() > 1);
    }
}

#[test]
fn a_violation_is_told_though_a_cork_keeps_everything_back() {
    let mut connection = open([]);
    connection.cork();
    connection.send_text("corked").unwrap();
    connection.stream_mut().push_bytes(raw_frame(0xc0 | TEXT, ""));
    let log = events_to_the_end(&mut connection, Instant::now(), 9);
    assert_eq!(log, ["error ERR_S9_PROTOCOL", "quit"]);
    assert_eq!(connection.stream().frames(), [Frame::new(TEXT, "corked"), Frame::close(1002, "")]);
}

#[test]
fn a_close_timeout_may_be_endless() {
    let limits = Limits { close_timeout: Duration::MAX, ..Limits::default() };
    let mut connection = Connection::new(Script::new([]), Vec::new(), limits);
    let now = Instant::now();
    connection.close(None).unwrap();
    assert_eq!(events(&mut connection, now, 9), ["activated"]);
    assert!(connection.deadline().is_some_and(|deadline| deadline > now));
}

#[test]
fn a_violation_drops_what_was_queued() {
    let mut connection = open([Input::Bytes(raw_frame(0x83, "x"))]);
    connection.stream_mut().room = 3;
    connection.send_text("first").unwrap();
    connection.send_text("second").unwrap();
    assert!(events(&mut connection, Instant::now(), 9).is_empty());
    connection.stream_mut().room = usize::MAX;
    assert_eq!(events(&mut connection, Instant::now(), 9), ["error ERR_S9_PROTOCOL", "quit"]);
    assert_eq!(connection.stream().frames(), [Frame::new(TEXT, "first"), Frame::close(1002, "")]);
}

#[test]
fn force_quit_ends_every_state_at_once_without_a_close_frame() {
    let mut fresh = connection([]);
    fresh.force_quit();
    assert_eq!(events_to_the_end(&mut fresh, Instant::now(), 9), ["activated", "quit"]);
    assert_eq!(fresh.stream().frames(), []);

    let mut blocked = open([Input::Bytes(frame(TEXT, "unread"))]);
    blocked.stream_mut().room = 0;
    blocked.send_text("unsent").unwrap();
    blocked.force_quit();
    blocked.stream_mut().room = usize::MAX;
    assert_eq!(blocked.buffered_amount(), 0);
    assert_eq!(events_to_the_end(&mut blocked, Instant::now(), 9), ["quit"]);
    assert_eq!(blocked.stream().frames(), []);

    let mut closing = open([]);
    closing.close(None).unwrap();
    closing.force_quit();
    assert_eq!(events_to_the_end(&mut closing, Instant::now(), 9), ["quit"]);
}

#[test]
fn abandoning_sends_close_1000_and_waits_for_nothing() {
    let mut connection = open([]);
    connection.abandon();
    connection.abandon();
    assert_eq!(events_to_the_end(&mut connection, Instant::now(), 9), ["quit"]);
    assert_eq!(connection.stream().frames(), [Frame::close(1000, "")]);
}

#[test]
fn abandoning_sends_what_was_corked_and_then_close_1000() {
    let mut connection = open([]);
    connection.cork();
    connection.send_text("corked").unwrap();
    connection.abandon();
    assert_eq!(connection.stream().frames(), [Frame::new(TEXT, "corked"), Frame::close(1000, "")]);
}
