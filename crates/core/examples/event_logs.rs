//! The core's part of `npm run differential`: reads streams of a server from stdin, each behind its
//! length in four bytes, and prints for each what a connection makes of it, the same however it is cut.

#[allow(dead_code, clippy::unwrap_used)]
#[path = "../tests/script/mod.rs"]
mod script;

use std::{
    io::{self, Read, Write},
    time::Instant,
};

use s9_websocket_core::{Connection, Limits, Step, WebSocketEvent};
use script::{CLOSE, Input, PONG, Script, client_frames};

const LIMIT: usize = 100_000;

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut length = [0; 4];
    while input.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        input.read_exact(&mut bytes)?;
        let whole = log_of([bytes.clone()], false);
        for (name, log) in [
            ("single bytes", log_of(bytes.iter().map(|byte| vec![*byte]), false)),
            ("single bytes, with would-block between", log_of(bytes.iter().map(|byte| vec![*byte]), true)),
            ("pieces", log_of(bytes.chunks(7 + bytes.len() % 61).map(<[u8]>::to_vec), true)),
        ] {
            assert_eq!(log, whole, "{name} of {} bytes", bytes.len());
        }
        writeln!(output, "{whole}")?;
    }
    Ok(())
}

/// Events and the frames sent, by commas.
fn log_of(chunks: impl IntoIterator<Item = Vec<u8>>, blocks: bool) -> String {
    let mut inputs = Vec::new();
    for chunk in chunks {
        inputs.push(Input::Bytes(chunk));
        if blocks {
            inputs.push(Input::Block);
        }
    }
    inputs.push(Input::End);
    let limits = Limits { max_message_size: LIMIT, max_frame_size: LIMIT, ..Limits::default() };
    let mut connection = Connection::new(Script::new(inputs), Vec::new(), limits);
    let now = Instant::now();
    let mut lines = Vec::new();
    loop {
        match connection.step(now) {
            Step::Event(event) => lines.push(line(&event)),
            Step::Idle => {}
            Step::Ended => break,
        }
    }
    let (frames, _) = client_frames(&connection.stream().written);
    lines.extend(frames.iter().map(|frame| {
        let kind = match frame.opcode {
            CLOSE => "close",
            PONG => "pong",
            _ => "frame",
        };
        format!("sent {kind} {}", digest(&frame.payload))
    }));
    lines.join(",")
}

fn line(event: &WebSocketEvent) -> String {
    match event {
        WebSocketEvent::Activated => "activated".into(),
        WebSocketEvent::TextMessage(data) => format!("text {}", digest(data)),
        WebSocketEvent::BinaryMessage(data) => format!("binary {}", digest(data)),
        WebSocketEvent::Ping(data) => format!("ping {}", digest(data)),
        WebSocketEvent::Pong(data) => format!("pong {}", digest(data)),
        WebSocketEvent::ConnectionClosed(frame) => {
            format!("closed {} {}", frame.code, digest(frame.reason.as_bytes()))
        }
        WebSocketEvent::Error(error) => format!("error {}", error.code()),
        WebSocketEvent::Quit => "quit".into(),
    }
}

/// Length and FNV-1a of a payload.
fn digest(data: &[u8]) -> String {
    let hash =
        data.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("{} {hash:x}", data.len())
}
