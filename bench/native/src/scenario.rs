//! What the server does on a connection: `/echo`, `/flood`, `/sink`, `/pings`, `/feed`.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    feed,
    frame::{self, Frame, opcode},
    stream::{Inbox, Stream},
};

/// The parameters behind the question mark.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str, default: usize) -> usize {
        self.text(name).and_then(|value| value.parse().ok()).unwrap_or(default)
    }
}

/// `frames`, where there are any, are what floods are made of and what echoes are replaced by.
pub(crate) fn serve(
    stream: Stream,
    resource: &str,
    query: &Query,
    frames: Option<Vec<u8>>,
) -> io::Result<()> {
    let mut peer = Peer { stream, inbox: Inbox::new(), out: Vec::new() };
    match (resource.split('?').next(), frames) {
        (Some("/echo"), Some(frames)) => peer.answer_with(&frames),
        (Some("/flood"), Some(frames)) => peer.repeat(&frames),
        (path, _) => peer.serve(path, query),
    }
}

impl Peer {
    fn serve(&mut self, path: Option<&str>, query: &Query) -> io::Result<()> {
        match path {
            Some("/echo") => self.echo(),
            Some("/flood") => self.flood(query),
            Some("/sink") => self.sink(query.number("count", 1000)),
            Some("/pings") => self.pings(query),
            Some("/feed") => feed::serve(self, query),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// One connection.
pub(crate) struct Peer {
    stream: Stream,
    inbox: Inbox,
    out: Vec<u8>,
}

impl Peer {
    /// The next frame, unmasked: its opcode and where it lies; `None` if that would mean waiting.
    fn try_next(&mut self) -> io::Result<Option<(u8, &[u8])>> {
        loop {
            let unused = self.inbox.unused();
            let needed = match Frame::parse(unused) {
                Some(frame) if frame.end <= unused.len() => break,
                Some(frame) => frame.end - unused.len(),
                None => 14,
            };
            let room = self.inbox.room(needed);
            let Some(count) = self.stream.try_read(room)? else { return Ok(None) };
            self.inbox.received(count);
        }
        // Parsed anew because what lies in between may move the bytes: some nanoseconds.
        let Some(Frame { opcode, mask, start, end }) = Frame::parse(self.inbox.unused()) else {
            return Ok(None);
        };
        let payload = &mut self.inbox.unused()[start..end];
        if let Some(mask) = mask {
            frame::apply_mask(mask, payload);
        }
        self.out.clear();
        self.out.extend_from_slice(payload);
        self.inbox.use_up(end);
        Ok(Some((opcode, &self.out)))
    }

    /// The next frame; waits for it.
    pub(crate) fn next(&mut self) -> io::Result<(u8, Vec<u8>)> {
        loop {
            if let Some((opcode, payload)) = self.try_next()? {
                return Ok((opcode, payload.to_vec()));
            }
            std::hint::spin_loop();
        }
    }

    pub(crate) fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(payload.len() + 10);
        frame::append(&mut bytes, opcode, None, payload);
        self.stream.write_all(&bytes)
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn echo(&mut self) -> io::Result<()> {
        let mut answer = Vec::new();
        loop {
            let Some((received, payload)) = self.try_next()? else {
                std::hint::spin_loop();
                continue;
            };
            answer.clear();
            match received {
                opcode::PING => frame::append(&mut answer, opcode::PONG, None, payload),
                opcode::PONG => continue,
                other => frame::append(&mut answer, other, None, payload),
            }
            self.stream.write_all(&answer)?;
            if received == opcode::CLOSE {
                return Ok(());
            }
        }
    }

    /// Messages of one size as fast as the client takes them, until it goes.
    fn flood(&mut self, query: &Query) -> io::Result<()> {
        let size = query.number("size", 64);
        let (code, payload) = match query.text("kind") {
            Some("binary") => (opcode::BINARY, (0..size).map(|index| index as u8).collect()),
            Some("utf8") => (opcode::TEXT, utf8_of(size)),
            _ => (opcode::TEXT, (0..size).map(|index| b'a' + (index % 26) as u8).collect()),
        };
        let mut batch = Vec::new();
        while batch.len() < 256 << 10 {
            frame::append(&mut batch, code, None, &payload);
        }
        self.repeat(&batch)
    }

    /// The same bytes as fast as the client takes them, until it goes.
    fn repeat(&mut self, bytes: &[u8]) -> io::Result<()> {
        loop {
            self.stream.write_all(bytes)?;
        }
    }

    /// Answers every message with the next of these frames, over and over.
    fn answer_with(&mut self, frames: &[u8]) -> io::Result<()> {
        let mut start = 0;
        loop {
            let (received, _) = self.next()?;
            match received {
                opcode::CLOSE => return Ok(()),
                opcode::TEXT | opcode::BINARY => {}
                _ => continue,
            }
            let end = Frame::parse(&frames[start..]).map_or(frames.len(), |frame| start + frame.end);
            self.stream.write_all(&frames[start..end])?;
            start = if end < frames.len() { end } else { 0 };
        }
    }

    /// Counts messages; each time `count` have come, says how many bytes a frame took.
    fn sink(&mut self, count: usize) -> io::Result<()> {
        let (mut seen, mut bytes) = (0, 0);
        loop {
            let unused = self.inbox.unused();
            let needed = match Frame::parse(unused) {
                Some(frame) if frame.end <= unused.len() => {
                    if frame.opcode == opcode::CLOSE {
                        return Ok(());
                    }
                    self.inbox.use_up(frame.end);
                    (seen, bytes) = (seen + 1, bytes + frame.end);
                    if seen == count {
                        self.send(opcode::TEXT, (bytes / count).to_string().as_bytes())?;
                        (seen, bytes) = (0, 0);
                    }
                    continue;
                }
                Some(frame) => frame.end - unused.len(),
                None => 14,
            };
            let room = self.inbox.room(needed);
            if let Some(read) = self.stream.try_read(room)? {
                self.inbox.received(read);
            }
        }
    }

    /// Pings every `every` microseconds for `milliseconds`, then sends the delays of the pongs.
    fn pings(&mut self, query: &Query) -> io::Result<()> {
        let every = Duration::from_micros(query.number("every", 1000) as u64);
        let start = Instant::now();
        let until = start + Duration::from_millis(query.number("milliseconds", 1000) as u64);
        let (mut next, mut awaited, mut delays) = (start, 0, Vec::new());
        while Instant::now() < until || awaited > 0 {
            let now = Instant::now();
            if now >= next && now < until {
                next += every;
                awaited += 1;
                self.send(opcode::PING, &nanoseconds(start).to_be_bytes())?;
            }
            if let Some((opcode::PONG, payload)) = self.try_next()? {
                let sent = payload.try_into().map(u64::from_be_bytes);
                let delay = nanoseconds(start) - sent.map_err(|_| io::ErrorKind::InvalidData)?;
                delays.push(format!("{:.1}", delay as f64 / 1e3));
                awaited -= 1;
            }
        }
        self.send(opcode::TEXT, format!("[{}]", delays.join(",")).as_bytes())?;
        // Until the client goes.
        loop {
            self.next()?;
        }
    }
}

/// Text with a character beyond Latin-1 in every sixteen bytes.
fn utf8_of(size: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(size);
    while text.len() < size {
        let left = size - text.len();
        text.extend_from_slice(&"€, sixteen bytes"[..].as_bytes()[..if left >= 18 { 18 } else { 0 }]);
        if left < 18 {
            text.resize(size, b'.');
        }
    }
    text
}

fn nanoseconds(since: Instant) -> u64 {
    since.elapsed().as_nanos() as u64
}
