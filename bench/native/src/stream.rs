//! The sockets of a benchmark: plain or TLS, spinning or blocking.

use std::{
    hint,
    io::{self, Read, Write},
    net::TcpStream,
};

use native_tls::TlsStream;

/// How the end of a wait is noticed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Spin,
    Block,
}

/// A connected stream.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref(),
        }
    }

    pub(crate) fn set_wait(&mut self, wait: Wait) -> io::Result<()> {
        self.socket().set_nonblocking(wait == Wait::Spin)
    }

    /// Reads once; `None` if a spinning socket has nothing. The end of the stream is an error.
    pub(crate) fn try_read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        let read = match self {
            Self::Plain(socket) => socket.read(into),
            Self::Tls(stream) => stream.read(into),
        };
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads until there is something.
    pub(crate) fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(count) = self.try_read(into)? {
                return Ok(count);
            }
            hint::spin_loop();
        }
    }

    pub(crate) fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self {
                Self::Plain(socket) => socket.write(bytes),
                Self::Tls(stream) => stream.write(bytes),
            };
            match written {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => hint::spin_loop(),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Bytes received and not yet used.
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; 256 << 10], start: 0, end: 0 }
    }

    pub(crate) fn unused(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    pub(crate) fn use_up(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Room for the next read: at least half of the buffer, or as much as a frame still needs.
    pub(crate) fn room(&mut self, needed: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < needed.max(self.bytes.len() / 2) {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.bytes.len() - self.end < needed {
            self.bytes.resize(self.end + needed, 0);
        }
        &mut self.bytes[self.end..]
    }

    pub(crate) fn received(&mut self, count: usize) {
        self.end += count;
    }
}
