//! What holds for a connection whatever a server sends; the first bytes of an input say how.

use std::time::{Duration, Instant};

use s9_websocket_core::{CloseFrame, Connection, Limits, Step, WebSocketEvent};

use crate::script::{CLOSE, Input, Script, client_frames};

pub(crate) const LIMITS: fn() -> Limits =
    || Limits { max_message_size: 4096, max_frame_size: 2048, ..Limits::default() };

/// How a server's bytes come and what the user does meanwhile.
pub(crate) struct How {
    /// Bytes a read.
    chunk: usize,
    /// Bytes that the stream takes a step.
    room: usize,
    /// After how many steps the user closes; none where it is 0.
    closes_after: usize,
    sends: bool,
    pub(crate) flags: u8,
}

/// Splits an input.
pub(crate) fn how(input: &[u8]) -> Option<(How, &[u8])> {
    let (&[chunk, room, closes_after, flags], bytes) = input.split_first_chunk()?;
    let or_all = |byte: u8| if byte == 0 { usize::MAX } else { byte.into() };
    let (chunk, room) = (or_all(chunk), or_all(room));
    Some((How { chunk, room, closes_after: closes_after.into(), sends: flags & 1 == 1, flags }, bytes))
}

pub(crate) fn stream(how: &How, bytes: &[u8]) -> Script {
    let chunks = bytes.chunks(how.chunk).map(|chunk| Input::Bytes(chunk.to_vec()));
    Script::new(chunks.chain([Input::End]))
}

/// Steps to the end, which must come.
pub(crate) fn check(mut connection: Connection<Script>, how: &How, length: usize) {
    let start = Instant::now();
    let (mut events, mut quits) = (0_usize, 0_usize);
    for step in 1..=4 * length + 100_000 {
        connection.stream_mut().room = how.room;
        if how.sends && step % 3 == 0 {
            // Refused once closing has begun.
            let _ = connection.send_text("sent meanwhile");
        }
        if step == how.closes_after {
            connection.close(Some(CloseFrame::new(1000, "enough"))).expect("a valid close");
        }
        // A step a second: the closing handshake's deadline passes.
        match connection.step(start + Duration::from_secs(step as u64)) {
            Step::Event(event) => {
                events += 1;
                assert_eq!(quits, 0, "nothing follows quit");
                assert_eq!(matches!(event, WebSocketEvent::Activated), events == 1);
                quits += usize::from(matches!(event, WebSocketEvent::Quit));
                check_event(&event);
            }
            Step::Idle => {}
            Step::Ended => {
                assert_eq!(quits, 1, "quit comes once");
                return check_written(&connection.stream().written);
            }
        }
    }
    panic!("the connection does not end");
}

fn check_event(event: &WebSocketEvent) {
    match event {
        WebSocketEvent::TextMessage(text) => {
            assert!(std::str::from_utf8(text).is_ok());
            assert!(text.len() <= LIMITS().max_message_size);
        }
        WebSocketEvent::BinaryMessage(data) => assert!(data.len() <= LIMITS().max_message_size),
        WebSocketEvent::Ping(data) | WebSocketEvent::Pong(data) => assert!(data.len() <= 125),
        WebSocketEvent::ConnectionClosed(frame) => {
            assert!(matches!(frame.code, 1000..=1003 | 1005..=1014 | 3000..=4999), "{}", frame.code);
            assert!(frame.reason.len() <= 123);
        }
        _ => {}
    }
}

/// Masked frames, of which only the last may be cut off, and nothing behind a Close.
fn check_written(written: &[u8]) {
    let (frames, _) = client_frames(written);
    let close = frames.iter().position(|frame| frame.opcode == CLOSE);
    assert!(close.is_none_or(|index| index + 1 == frames.len()), "frames behind a Close");
}
