//! `step` with compression agreed on, under arbitrary bytes of a server, cut into arbitrary chunks.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;

use std::time::Instant;

use proptest::prelude::*;
use s9_websocket_core::{
    Connection, Limits, PerMessageDeflateAgreement, PerMessageDeflateOptions, Step, WebSocketEvent,
};
use script::*;
use zlib_rs::{Deflate, DeflateFlush};

const MAX_MESSAGE: usize = 600;
const MAX_FRAME: usize = 400;

/// Runs a connection over these chunks, and their end, and checks what holds for all bytes.
fn run(tail: &[u8], chunks: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
    let limits = Limits { max_message_size: MAX_MESSAGE, max_frame_size: MAX_FRAME, ..Limits::default() };
    let script = Script::new(chunks.map(Input::Bytes).chain([Input::End]));
    let options = PerMessageDeflateOptions::new().threshold(0);
    let agreed = PerMessageDeflateAgreement::default();
    let mut connection = Connection::with_per_message_deflate(script, tail.to_vec(), limits, options, agreed);
    let mut log = Vec::new();
    for _ in 0..100_000 {
        match connection.step(Instant::now()) {
            Step::Event(event) => {
                if let WebSocketEvent::TextMessage(data) | WebSocketEvent::BinaryMessage(data) = &event {
                    assert!(data.len() <= MAX_MESSAGE, "a message over the limit");
                }
                if let WebSocketEvent::TextMessage(data) = &event {
                    assert!(std::str::from_utf8(data).is_ok());
                }
                log.push(line(&event));
            }
            Step::Idle => {}
            Step::Ended => {
                assert_eq!(log.iter().filter(|line| *line == "quit").count(), 1, "{log:?}");
                let (frames, rest) = client_frames(&connection.stream().written);
                assert!(rest.is_empty() && frames.iter().filter(|frame| frame.opcode == CLOSE).count() <= 1);
                return log;
            }
        }
    }
    panic!("never ended: {log:?}");
}

fn chunked(bytes: &[u8], sizes: &[usize]) -> Vec<String> {
    let mut rest = bytes;
    let mut sizes = sizes.iter().cycle();
    let mut next = || {
        let (chunk, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        rest = after;
        chunk
    };
    let tail = next();
    run(tail, std::iter::from_fn(|| Some(next().to_vec()).filter(|chunk| !chunk.is_empty())))
}

/// Payload, whether it is text, whether it is sent compressed, and where it is cut into frames.
type Message = (Vec<u8>, bool, bool, Vec<usize>);

fn message() -> impl Strategy<Value = Message> {
    let text = "[a-cé€]{0,120}".prop_map(String::into_bytes);
    (text, any::<bool>(), any::<bool>(), prop::collection::vec(0..100_usize, 0..4))
}

/// What a server sends for these messages.
fn stream(messages: &[Message], level: i32, mem_level: i32) -> Vec<u8> {
    let config =
        zlib_rs::DeflateConfig { level, window_bits: -15, mem_level, ..zlib_rs::DeflateConfig::default() };
    let mut deflate = Deflate::new_with_config(config);
    let mut bytes = Vec::new();
    for (message, is_text, compressed, cuts) in messages {
        let compressed = *compressed && !message.is_empty();
        let mut payload = message.clone();
        if compressed {
            payload.resize(2 * message.len() + 100, 0);
            let before = deflate.total_out();
            deflate.compress(message, &mut payload, DeflateFlush::SyncFlush).unwrap();
            payload.truncate((deflate.total_out() - before) as usize - 4);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| (*cut).min(payload.len())).collect();
        cuts.sort_unstable();
        cuts.push(payload.len());
        let mut start = 0;
        for (index, end) in cuts.iter().enumerate() {
            let opcode = match (index, is_text) {
                (0, true) => TEXT,
                (0, false) => BINARY,
                _ => CONTINUATION,
            };
            let rsv1 = if compressed && index == 0 { RSV1 } else { 0 };
            let fin = if index + 1 == cuts.len() { 0x80 } else { 0 };
            bytes.extend(raw_frame(fin | rsv1 | opcode, &payload[start..*end]));
            bytes.extend(frame(PING, "between"));
            start = *end;
        }
    }
    bytes
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..60_usize, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn messages_come_out_as_they_went_in(
        messages in prop::collection::vec(message(), 0..12),
        level in 0..=9,
        mem_level in 1..=9,
        sizes in sizes(),
    ) {
        let log = chunked(&stream(&messages, level, mem_level), &sizes);
        let delivered: Vec<_> = log.iter().filter(|line| line.starts_with(['t', 'b'])).cloned().collect();
        let sent: Vec<_> = messages
            .iter()
            .map(|(data, is_text, ..)| {
                format!("{} {}", if *is_text { "text" } else { "binary" }, String::from_utf8_lossy(data))
            })
            .collect();
        prop_assert_eq!(delivered, sent);
    }

    #[test]
    fn mutated_streams_end_in_one_quit_however_they_are_cut(
        messages in prop::collection::vec(message(), 0..6),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        sizes in sizes(),
    ) {
        let mut bytes = stream(&messages, 6, 8);
        for (index, value) in mutations {
            if !bytes.is_empty() {
                let index = index.index(bytes.len());
                bytes[index] = value;
            }
        }
        prop_assert_eq!(chunked(&bytes, &sizes), chunked(&bytes, &[usize::MAX]));
    }

    #[test]
    fn arbitrary_bytes_end_in_one_quit(bytes in prop::collection::vec(any::<u8>(), 0..600), sizes in sizes()) {
        chunked(&bytes, &sizes);
    }
}
