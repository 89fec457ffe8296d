//! Described streams, with long messages in several frames: the same stream whole, cut, in single bytes
//! and over a socket must give the same events, and those of a bare tungstenite.
//!
//! All connections take turns on one thread, which is where they share memory.
#![no_main]

mod described;
mod reference;
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../../tests/script/mod.rs"]
mod script;
mod sessions;

use std::{ops::Range, time::Instant};

use libfuzzer_sys::fuzz_target;
use s9_websocket_core::{Connection, Limits, PerMessageDeflateAgreement, PerMessageDeflateOptions, Step};

use described::{Described, Event, event};
use script::{Input, Script, client_frames};

/// What an input tries, besides the connections over scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Scripts,
    SmallLimits,
    Sockets,
    Deflate,
}

fn mode(flags: u8) -> Mode {
    [Mode::Scripts, Mode::SmallLimits, Mode::Sockets, Mode::Deflate][usize::from(flags % 4)]
}

fn limits(mode: Mode) -> Limits {
    match mode {
        Mode::SmallLimits => {
            Limits { max_message_size: 100_000, max_frame_size: 66_000, ..Limits::default() }
        }
        _ => Limits::default(),
    }
}

/// A connection over these pieces of a stream.
fn connection(
    stream: &Described,
    tail: Range<usize>,
    pieces: impl Iterator<Item = (Range<usize>, bool)>,
) -> Connection<Script> {
    let mut inputs = Vec::new();
    for (piece, blocks) in pieces.filter(|(piece, _)| piece.start >= tail.end) {
        inputs.push(Input::Bytes(stream.bytes[piece].to_vec()));
        if blocks {
            inputs.push(Input::Block);
        }
    }
    let script = Script::new(inputs.into_iter().chain([Input::End]));
    let tail = stream.bytes[tail].to_vec();
    let mode = mode(stream.flags);
    if mode != Mode::Deflate {
        return Connection::new(script, tail, limits(mode));
    }
    let (options, agreed) = (PerMessageDeflateOptions::new(), PerMessageDeflateAgreement::default());
    Connection::with_per_message_deflate(script, tail, limits(mode), options, agreed)
}

/// Steps all connections in turn until each has ended; what each gave out.
fn events(connections: &mut [Connection<Script>], most: usize) -> Vec<Vec<Event>> {
    let now = Instant::now();
    let mut logs = vec![Vec::new(); connections.len()];
    let mut running = connections.len();
    for _ in 0..most {
        running = 0;
        for (connection, log) in connections.iter_mut().zip(&mut logs) {
            match connection.step(now) {
                Step::Event(event) => log.extend(reference::event_of(&event)),
                Step::Idle => {}
                Step::Ended => continue,
            }
            running += 1;
        }
        if running == 0 {
            break;
        }
    }
    assert_eq!(running, 0, "a connection does not end");
    for connection in connections {
        let (frames, _) = client_frames(&connection.stream().written);
        let close = frames.iter().position(|frame| frame.opcode == script::CLOSE);
        assert!(close.is_none_or(|index| index + 1 == frames.len()), "frames behind a Close");
    }
    logs
}

fuzz_target!(|input: &[u8]| {
    let Some(&flags) = input.first() else { return };
    let mode = mode(flags);
    let Some(stream) = Described::of(input, mode == Mode::Deflate) else { return };
    let whole = 0..stream.bytes.len();
    let first = stream.as_cut().next().map_or(0..0, |(piece, _)| piece);
    let mut connections = [
        connection(&stream, 0..0, [(whole, false)].into_iter()),
        connection(&stream, 0..0, stream.as_cut()),
        connection(&stream, 0..0, stream.as_single_bytes()),
        connection(&stream, 0..0, stream.as_cut_in_headers()),
        connection(&stream, first, stream.as_cut()),
    ];
    let logs = events(&mut connections, 4 * stream.bytes.len() + 1000);
    let ways = ["whole", "cut", "in single bytes", "cut in headers", "behind the upgrade"];
    for (log, how) in logs.iter().zip(ways).skip(1) {
        assert_eq!(*log, logs[0], "{how}");
    }
    if let Some(valid) = &stream.valid
        && mode != Mode::SmallLimits
    {
        let end = event("error ERR_S9_CONNECTION_CLOSED", b"");
        assert!(logs[0].iter().eq(valid.iter().chain([&end])), "{:?} in place of {valid:?}", logs[0]);
    }
    if mode != Mode::Deflate {
        assert_eq!(logs[0], reference::events(&stream.bytes, &limits(mode)), "tungstenite");
    }
    if mode == Mode::Sockets {
        for (log, how) in sessions::events(&stream).iter().zip(["cut", "whole"]) {
            assert_eq!(*log, logs[0], "{how}, over a socket");
        }
    }
});
