//! A stream that follows a script and records what is written to it, and the frames on both sides.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    time::Instant,
};

use s9_websocket_core::{Connection, Limits, Step, WebSocketEvent};

pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;
pub(crate) const RSV1: u8 = 0x40;

/// What one read of the stream comes to.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Bytes(Vec<u8>),
    /// Would block, once.
    Block,
    Fail(io::ErrorKind),
    /// Fails with an error of no special kind.
    FailSaying(&'static str),
    End,
}

/// A stream without a network. Past the end of its script it would block.
#[derive(Debug)]
pub(crate) struct Script {
    inputs: VecDeque<Input>,
    /// Everything the stream has taken.
    pub(crate) written: Vec<u8>,
    /// How many writes took something.
    pub(crate) writes: usize,
    /// How many bytes the stream still takes before it would block.
    pub(crate) room: usize,
    /// How many bytes one write takes at most, by turns.
    pub(crate) pieces: Vec<usize>,
    pub(crate) write_failure: Option<io::ErrorKind>,
    pub(crate) reads: usize,
}

impl Script {
    pub(crate) fn new(inputs: impl IntoIterator<Item = Input>) -> Self {
        Self {
            inputs: inputs.into_iter().collect(),
            written: Vec::new(),
            writes: 0,
            room: usize::MAX,
            pieces: Vec::new(),
            write_failure: None,
            reads: 0,
        }
    }

    pub(crate) fn push(&mut self, input: Input) {
        self.inputs.push_back(input);
    }

    pub(crate) fn push_bytes(&mut self, bytes: impl Into<Vec<u8>>) {
        self.push(Input::Bytes(bytes.into()));
    }

    /// The client's frames so far; each must be masked and whole.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        let (frames, rest) = client_frames(&self.written);
        assert!(rest.is_empty(), "{} bytes of half a frame were written", rest.len());
        frames
    }
}

impl Read for Script {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        match self.inputs.front_mut() {
            None => Err(io::ErrorKind::WouldBlock.into()),
            Some(Input::Bytes(bytes)) => {
                let count = bytes.len().min(into.len());
                into[..count].copy_from_slice(&bytes[..count]);
                bytes.drain(..count);
                if bytes.is_empty() {
                    self.inputs.pop_front();
                }
                // An empty chunk is not the end of the stream.
                if count == 0 { self.read(into) } else { Ok(count) }
            }
            Some(Input::Block) => {
                self.inputs.pop_front();
                Err(io::ErrorKind::WouldBlock.into())
            }
            // As on a socket, the end and an error stay.
            Some(Input::Fail(kind)) => Err((*kind).into()),
            Some(Input::FailSaying(text)) => Err(io::Error::other(*text)),
            Some(Input::End) => Ok(0),
        }
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.write_failure {
            return Err(kind.into());
        }
        let piece =
            if self.pieces.is_empty() { usize::MAX } else { self.pieces[self.writes % self.pieces.len()] };
        let count = bytes.len().min(self.room).min(piece);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.writes += 1;
        self.room -= count;
        self.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A frame as the peer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) fin: bool,
    /// Whether RSV1 is set (RFC 7692, section 6).
    pub(crate) compressed: bool,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// A whole frame.
    pub(crate) fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, compressed: false, opcode, payload: payload.into() }
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::new(CLOSE, close_payload(code, reason))
    }
}

pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Reads a client's frames up to its Close, or as far as they go.
pub(crate) fn frames_up_to_close(stream: &mut impl Read) -> Vec<Frame> {
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).unwrap();
        received.extend(&buffer[..count]);
        let (frames, _) = client_frames(&received);
        if count == 0 || frames.last().is_some_and(|frame| frame.opcode == CLOSE) {
            return frames;
        }
    }
}

/// The frames a client wrote, unmasked, and the bytes of one that is not whole.
pub(crate) fn client_frames(mut bytes: &[u8]) -> (Vec<Frame>, &[u8]) {
    let mut frames = Vec::new();
    while let Some((frame, length)) = client_frame(bytes) {
        frames.push(frame);
        bytes = &bytes[length..];
    }
    (frames, bytes)
}

fn client_frame(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(first & 0x30, 0, "no reserved bit but RSV1 may be set");
    // RFC 6455, section 5.1: a client masks every frame.
    assert_eq!(second & 0x80, 0x80, "every frame of a client is masked");
    let (length, start) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap())), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap()) as usize, 10),
        short => (usize::from(short), 2),
    };
    let mask: [u8; 4] = bytes.get(start..start + 4)?.try_into().unwrap();
    let payload = bytes.get(start + 4..start + 4 + length)?;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let frame =
        Frame { fin: first & 0x80 != 0, compressed: first & RSV1 != 0, opcode: first & 0x0f, payload };
    Some((frame, start + 4 + length))
}

/// A whole frame of a server.
pub(crate) fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    raw_frame(0x80 | opcode, payload)
}

/// A frame of a server with this first byte.
pub(crate) fn raw_frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(length as u8),
        length @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    frame(CLOSE, close_payload(code, reason))
}

/// A connection over a script.
pub(crate) fn connection(inputs: impl IntoIterator<Item = Input>) -> Connection<Script> {
    Connection::new(Script::new(inputs), Vec::new(), Limits::default())
}

/// A connection over a script that has been activated.
pub(crate) fn open(inputs: impl IntoIterator<Item = Input>) -> Connection<Script> {
    let mut connection = connection(inputs);
    assert_eq!(events(&mut connection, Instant::now(), 1), ["activated"]);
    connection
}

/// Steps until idle or ended, at most `most` events.
pub(crate) fn events(connection: &mut Connection<Script>, now: Instant, most: usize) -> Vec<String> {
    let mut log = Vec::new();
    while log.len() < most {
        match connection.step(now) {
            Step::Event(event) => log.push(line(&event)),
            Step::Idle | Step::Ended => break,
        }
    }
    log
}

/// Steps until ended, and fails where that takes more than `most` steps.
pub(crate) fn events_to_the_end(
    connection: &mut Connection<Script>,
    now: Instant,
    most: usize,
) -> Vec<String> {
    let mut log = Vec::new();
    for _ in 0..most {
        match connection.step(now) {
            Step::Event(event) => log.push(line(&event)),
            Step::Idle => {}
            Step::Ended => return log,
        }
    }
    panic!("not ended after {most} steps: {log:?}");
}

/// An event as one line.
pub(crate) fn line(event: &WebSocketEvent) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match event {
        WebSocketEvent::Activated => "activated".into(),
        WebSocketEvent::TextMessage(data) => format!("text {}", text(data)),
        WebSocketEvent::BinaryMessage(data) => format!("binary {}", text(data)),
        WebSocketEvent::Ping(data) => format!("ping {}", text(data)),
        WebSocketEvent::Pong(data) => format!("pong {}", text(data)),
        WebSocketEvent::ConnectionClosed(frame) => format!("closed {} {}", frame.code, frame.reason),
        WebSocketEvent::Error(error) => format!("error {}", error.code()),
        WebSocketEvent::Quit => "quit".into(),
    }
}
