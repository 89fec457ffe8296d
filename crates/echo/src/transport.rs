//! The bytes below the WebSocket: a non-blocking socket, TLS over it, and what is still to be written.
//!
//! Writes are only collected. They go out just before the socket would be read again, so that one message is
//! echoed at once and the echoes of one burst share a write.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
};

use native_tls::TlsStream;

/// What one connection may read before the others have their turn.
const BURST: usize = 128 * 1024;
/// From this size on, a write goes to the socket without being copied first.
const DIRECT_WRITE: usize = 64 * 1024;
/// A TLS record at its largest, with header and tag.
const READ_AHEAD: usize = 5 + 16 * 1024 + 256;
/// Room that an idle connection may keep for its next output.
const KEPT_CAPACITY: usize = 256 * 1024;

/// A socket that retries interrupted calls and, under TLS, reads ahead.
///
/// OpenSSL reads header and body of a record with two calls; reading ahead makes that one.
#[derive(Debug)]
pub(crate) struct Socket {
    tcp: Arc<TcpStream>,
    /// Empty where nothing is read ahead.
    ahead: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Socket {
    pub(crate) fn new(tcp: Arc<TcpStream>) -> Self {
        Self { tcp, ahead: Box::default(), start: 0, end: 0 }
    }

    pub(crate) fn reading_ahead(tcp: Arc<TcpStream>) -> Self {
        Self { tcp, ahead: vec![0; READ_AHEAD].into(), start: 0, end: 0 }
    }

    fn has_input(&self) -> bool {
        self.start < self.end
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() {
            return uninterrupted(|| (&*self.tcp).read(buffer));
        }
        if !self.has_input() {
            (self.start, self.end) = (0, 0);
            self.end = uninterrupted(|| (&*self.tcp).read(&mut self.ahead))?;
        }
        let size = buffer.len().min(self.end - self.start);
        buffer[..size].copy_from_slice(&self.ahead[self.start..self.start + size]);
        self.start += size;
        Ok(size)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| (&*self.tcp).write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
enum Layer {
    Plain(Socket),
    Tls(TlsStream<Socket>),
}

impl Layer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// Whether something can be read without asking the kernel: ciphertext read ahead, or decrypted bytes.
    fn has_input(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.has_input(),
            Self::Tls(stream) => {
                stream.get_ref().has_input() || stream.buffered_read_size().is_ok_and(|size| size > 0)
            }
        }
    }
}

/// The stream that tungstenite works on; its writes never would-block, its reads do while output is stuck.
#[derive(Debug)]
pub(crate) struct Transport {
    layer: Layer,
    /// Output not yet taken by the kernel, from `sent` on.
    pending: Vec<u8>,
    sent: usize,
    /// What may still be read in this burst.
    budget: usize,
    input_is_exhausted: bool,
}

impl Transport {
    pub(crate) fn plain(socket: Socket) -> Self {
        Self::new(Layer::Plain(socket))
    }

    pub(crate) fn tls(stream: TlsStream<Socket>) -> Self {
        Self::new(Layer::Tls(stream))
    }

    fn new(layer: Layer) -> Self {
        Self { layer, pending: Vec::new(), sent: 0, budget: BURST, input_is_exhausted: false }
    }

    pub(crate) fn begin_burst(&mut self) {
        self.budget = BURST;
        self.input_is_exhausted = false;
    }

    /// Whether the last read found nothing anywhere: only then may the poller be waited on.
    pub(crate) fn input_is_exhausted(&self) -> bool {
        self.input_is_exhausted
    }

    /// Adds to what is pending.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Writes what is pending; `false` if the kernel does not take all of it now.
    pub(crate) fn push(&mut self) -> io::Result<bool> {
        if self.pending.is_empty() {
            return Ok(true);
        }
        self.sent += write_until_blocked(&mut self.layer, &self.pending[self.sent..])?;
        if self.sent < self.pending.len() {
            return Ok(false);
        }
        self.sent = 0;
        self.pending.clear();
        self.pending.shrink_to(KEPT_CAPACITY);
        Ok(true)
    }

    /// Ends the sending direction, TLS first, waiting for nothing.
    pub(crate) fn shut_down(&mut self) {
        // Both are a courtesy to a peer that may be gone.
        let tcp = match &mut self.layer {
            Layer::Plain(socket) => &socket.tcp,
            Layer::Tls(stream) => {
                let _ = stream.shutdown();
                &stream.get_ref().tcp
            }
        };
        let _ = tcp.shutdown(Shutdown::Write);
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.budget == 0 || (!self.layer.has_input() && !self.push()?) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let read = self.layer.read(buffer);
        match &read {
            Ok(size) => self.budget = self.budget.saturating_sub(*size),
            Err(error) => self.input_is_exhausted = error.kind() == ErrorKind::WouldBlock,
        }
        read
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        if bytes.len() >= DIRECT_WRITE && self.push()? {
            rest = &bytes[write_until_blocked(&mut self.layer, bytes)?..];
        }
        self.queue(rest);
        Ok(bytes.len())
    }

    /// Does nothing: when output goes out is decided in `read` and by the caller of `push`.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One call would give tungstenite back one TLS record of 16 KiB at a time, and it moves all that remains
/// each time: quadratic.
fn write_until_blocked(layer: &mut Layer, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match layer.write(&bytes[written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(size) => written += size,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
