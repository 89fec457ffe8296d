//! `step` under arbitrary bytes of a server, cut into arbitrary chunks.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;

use std::time::Instant;

use proptest::prelude::*;
use s9_websocket_core::{Connection, Limits, Step, WebSocketEvent};
use script::*;

const LIMITS: fn() -> Limits = || Limits { max_message_size: 600, max_frame_size: 400, ..Limits::default() };

/// Cuts bytes into chunks with would-blocks between some of them; the stream ends after them.
fn chunked(bytes: &[u8], cuts: &[(usize, bool)]) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut rest = bytes;
    for &(length, blocks) in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, after) = rest.split_at(length.clamp(1, rest.len()));
        inputs.push(Input::Bytes(chunk.to_vec()));
        if blocks {
            inputs.push(Input::Block);
        }
        rest = after;
    }
    inputs.push(Input::End);
    inputs
}

/// Runs a connection to its end and checks what holds for all bytes.
fn run(inputs: Vec<Input>, rooms: &[usize]) -> Vec<String> {
    let now = Instant::now();
    let most = 10 * inputs.len() + 100_000;
    let mut connection = Connection::new(Script::new(inputs), Vec::new(), LIMITS());
    let mut log = Vec::new();
    for turn in 0..most {
        connection.stream_mut().room = rooms[turn % rooms.len()];
        match connection.step(now) {
            Step::Event(event) => {
                if let WebSocketEvent::TextMessage(data) | WebSocketEvent::BinaryMessage(data) = &event {
                    assert!(data.len() <= LIMITS().max_message_size, "a message over the limit");
                }
                if let WebSocketEvent::TextMessage(data) = &event {
                    assert!(std::str::from_utf8(data).is_ok());
                }
                log.push(line(&event));
            }
            Step::Idle => {}
            Step::Ended => {
                let quits = log.iter().filter(|line| *line == "quit").count();
                let activations = log.iter().filter(|line| *line == "activated").count();
                assert_eq!((quits, activations), (1, 1), "{log:?}");
                assert_eq!(log.first().map(String::as_str), Some("activated"));
                assert_eq!(log.last().map(String::as_str), Some("quit"));
                // Every byte written belongs to a masked frame; only the last may be cut off.
                let (frames, _) = client_frames(&connection.stream().written);
                let closes = frames.iter().filter(|frame| frame.opcode == CLOSE).count();
                assert!(closes <= 1, "{frames:?}");
                return log;
            }
        }
    }
    panic!("not ended after {most} steps: {log:?}");
}

/// Frames that are valid one by one and mostly as a sequence.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let text = "[a-zé€]{0,60}".prop_map(String::into_bytes);
    let payload = prop_oneof![4 => text, 2 => prop::collection::vec(any::<u8>(), 0..130)];
    (prop::sample::select(vec![TEXT, BINARY, CONTINUATION, PING, PONG, TEXT | 0x40]), any::<bool>(), payload)
        .prop_map(|(kind, fin, payload)| raw_frame(if fin { 0x80 } else { 0 } | kind & 0x0f, payload))
}

/// A valid message, fragmented or not, with control frames between its fragments.
fn valid_message() -> impl Strategy<Value = Vec<u8>> {
    let payload = "[a-zé€]{0,80}".prop_map(String::into_bytes);
    (payload, any::<bool>(), prop::collection::vec(0..200_usize, 0..4), any::<bool>()).prop_map(
        |(payload, text, mut cuts, ping)| {
            cuts.iter_mut().for_each(|cut| *cut = (*cut).min(payload.len()));
            cuts.sort_unstable();
            cuts.push(payload.len());
            let mut bytes = Vec::new();
            let mut start = 0;
            for (index, end) in cuts.iter().enumerate() {
                let opcode = match (index, text) {
                    (0, true) => TEXT,
                    (0, false) => BINARY,
                    _ => CONTINUATION,
                };
                let fin = if index + 1 == cuts.len() { 0x80 } else { 0 };
                bytes.extend(raw_frame(fin | opcode, &payload[start..*end]));
                start = *end;
                if ping {
                    bytes.extend(frame(PING, index.to_string()));
                }
            }
            bytes
        },
    )
}

fn cuts() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((1..50_usize, any::<bool>()), 1..12)
}

fn rooms() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![usize::MAX]),
        prop::collection::vec(0..40_usize, 1..6).prop_map(|mut rooms| {
            rooms.push(64);
            rooms
        })
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_end_in_one_quit(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        cuts in cuts(),
        rooms in rooms(),
    ) {
        run(chunked(&bytes, &cuts), &rooms);
    }

    #[test]
    fn mutated_frames_end_in_one_quit_however_they_are_cut(
        frames in prop::collection::vec(any_frame(), 0..12),
        close in prop::option::of((any::<u16>(), "[a-z]{0,20}")),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cuts in cuts(),
        rooms in rooms(),
    ) {
        let mut bytes = frames.concat();
        if let Some((code, reason)) = close {
            bytes.extend(close_frame(code, &reason));
        }
        for (index, value) in mutations {
            if !bytes.is_empty() {
                let index = index.index(bytes.len());
                bytes[index] = value;
            }
        }
        let whole = run(vec![Input::Bytes(bytes.clone()), Input::End], &[usize::MAX]);
        let cut = run(chunked(&bytes, &cuts), &rooms);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn chunking_does_not_change_what_is_delivered(
        messages in prop::collection::vec(valid_message(), 0..12),
        close in prop::option::of((3000..4999_u16, "[a-z]{0,20}")),
        cuts in cuts(),
        rooms in rooms(),
    ) {
        let mut bytes = messages.concat();
        if let Some((code, reason)) = close {
            bytes.extend(close_frame(code, &reason));
        }
        let whole = run(vec![Input::Bytes(bytes.clone()), Input::End], &[usize::MAX]);
        let cut = run(chunked(&bytes, &cuts), &rooms);
        prop_assert_eq!(whole, cut);
    }

    /// Closing from this side at any point changes neither the single `Quit` nor its place.
    #[test]
    fn an_own_close_at_any_point_ends_in_one_quit(
        messages in prop::collection::vec(valid_message(), 0..8),
        at in 0..30_usize,
        force in any::<bool>(),
        queued in 0..4_usize,
        cuts in cuts(),
        rooms in rooms(),
    ) {
        let mut bytes = messages.concat();
        bytes.extend(close_frame(1000, ""));
        let now = Instant::now();
        let script = Script::new(chunked(&bytes, &cuts));
        let mut connection = Connection::new(script, Vec::new(), LIMITS());
        let mut log = Vec::new();
        for turn in 0..100_000 {
            connection.stream_mut().room = rooms[turn % rooms.len()];
            if turn == at {
                for _ in 0..queued {
                    let _ = connection.send_text("queued before the close");
                }
                if force {
                    connection.force_quit();
                } else {
                    connection.close(None).unwrap();
                }
            }
            match connection.step(now) {
                Step::Event(event) => log.push(line(&event)),
                Step::Idle => {}
                Step::Ended => break,
            }
        }
        prop_assert_eq!(log.iter().filter(|line| *line == "quit").count(), 1);
        prop_assert_eq!(log.last().map(String::as_str), Some("quit"));
        let (frames, _) = client_frames(&connection.stream().written);
        let close = frames.iter().position(|frame| frame.opcode == CLOSE);
        prop_assert!(close.is_none_or(|index| index + 1 == frames.len()), "nothing follows a Close: {:?}", frames);
    }
}
