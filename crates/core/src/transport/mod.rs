//! The stack that a connection reads and writes: a socket, a read buffer, and TLS where the URL asks
//! for it. Owns how the stream ends; knows nothing of HTTP or WebSocket.

mod deadline;
mod dial;
mod linger;
mod memory;
mod read_buffer;
#[cfg(test)]
mod tests;
mod tls;

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::Socket;

pub use self::{
    deadline::Canceller,
    linger::{end_lingering, end_lingering_here},
    tls::has_system_roots,
};
pub(crate) use self::{deadline::Deadline, dial::dial, memory::release_spare, tls::prepare_tls};

#[cfg(test)]
pub(crate) use self::tls::tests::TestServer as TlsTestServer;
use self::{read_buffer::ReadBuffer, tls::TlsStream};
use crate::{
    error::{Error, Result},
    options::ConnectionOptions,
    socket::{S9Socket, TlsFacts},
};

/// The shortest timeout that the system does not take for "none".
const SHORTEST_TIMEOUT: Duration =
    if cfg!(windows) { Duration::from_millis(1) } else { Duration::from_micros(1) };

/// A stream to the server, in the clear or over TLS.
///
/// Reads and writes report would-block and socket timeouts as [`io::ErrorKind::WouldBlock`]. A write
/// that would block must be repeated with the same bytes, possibly more: TLS has encrypted some.
#[derive(Debug)]
pub(crate) struct Transport {
    stream: Stream,
    socket: Arc<Socket>,
    facts: Option<Arc<TlsFacts>>,
    read_timeout: Option<Duration>,
    aborted: bool,
    lingers: bool,
}

#[derive(Debug)]
enum Stream {
    Plain(ReadBuffer),
    Tls(TlsStream),
}

impl Transport {
    /// A stream in the clear over a connected socket.
    pub(crate) fn plain(socket: Arc<Socket>, options: &ConnectionOptions) -> Self {
        let stream = Stream::Plain(ReadBuffer::new(Arc::clone(&socket), options.quick_ack));
        Self { stream, socket, facts: None, read_timeout: None, aborted: false, lingers: false }
    }

    /// Does the TLS handshake over a connected, non-blocking socket.
    ///
    /// `host` is a name or an IP literal without brackets.
    pub(crate) fn secure(
        socket: Arc<Socket>,
        host: &str,
        options: &ConnectionOptions,
        deadline: &mut Deadline,
    ) -> Result<Self> {
        let below = ReadBuffer::new(Arc::clone(&socket), options.quick_ack);
        let (stream, facts) = tls::handshake(below, &socket, host, &options.tls, deadline)?;
        let facts = Some(Arc::new(facts));
        Ok(Self {
            stream: Stream::Tls(stream),
            socket,
            facts,
            read_timeout: None,
            aborted: false,
            lingers: false,
        })
    }

    /// Allows one kernel read that brings bytes; past it, reads that find nothing buffered would
    /// block without a system call. Until the first turn there is no such limit.
    ///
    /// So a message received is delivered before the next system call, and a blocking read never
    /// waits while messages do. Likewise, of the writes of a turn only one blocks.
    pub(crate) fn begin_turn(&mut self) {
        self.below_mut().begin_turn();
    }

    /// Reads the kernel no more in this turn.
    pub(crate) fn end_reading(&mut self) {
        self.below_mut().end_reading();
    }

    /// Ends the turns of the handshakes.
    pub(crate) fn end_turns(&mut self) {
        self.below_mut().end_turns();
    }

    /// Lets one more write of this turn block.
    pub(crate) fn retry_write(&mut self) {
        self.below_mut().retry_write();
    }

    /// Whether a read may have something to give: bytes, the end of the stream, or a failure.
    ///
    /// Over TLS it reads the kernel, as far as the turn allows, unless there is something already: a turn
    /// that finds nothing costs no more than the system call.
    pub(crate) fn fetch(&mut self) -> bool {
        match &mut self.stream {
            Stream::Plain(buffer) => buffer.may_read(),
            Stream::Tls(stream) => stream.fetch(),
        }
    }

    /// Whether reading goes on once the socket can be written: TLS has to write first.
    pub(crate) fn read_waits_for_write(&self) -> bool {
        matches!(&self.stream, Stream::Tls(stream) if stream.read_waits_for_write())
    }

    /// Whether writing goes on once the socket can be read, and not before: TLS has to read first.
    pub(crate) fn write_waits_for_read(&self) -> bool {
        matches!(&self.stream, Stream::Tls(stream) if stream.write_waits_for_read())
    }

    /// Whether there are reads, to which a write that waits for one leaves it: while keys are agreed on anew the
    /// server's data goes on coming, and OpenSSL ends a connection whose write comes upon that.
    pub(crate) fn leave_reading(&mut self, leaves: bool) {
        self.below_mut().leave_reading(leaves);
    }

    /// Whether the socket's stream has ended.
    pub(crate) fn saw_end(&self) -> bool {
        self.below().saw_end()
    }

    /// Whether this turn's kernel read brought bytes.
    pub(crate) fn has_read(&self) -> bool {
        self.below().has_read()
    }

    /// When the kernel read that brought the last bytes returned.
    pub(crate) fn received_at(&self) -> Instant {
        self.below().received_at()
    }

    pub(crate) fn socket(&self) -> &Arc<Socket> {
        &self.socket
    }

    pub(crate) fn s9_socket(&self) -> S9Socket {
        S9Socket::new(&self.socket, self.facts.clone())
    }

    /// Makes reads and writes wait, the writes of a turn at most `write_timeout`, but for the end of the last.
    pub(crate) fn set_blocking(&mut self, write_timeout: Option<Duration>) -> Result<()> {
        self.below_mut().limit_writes(write_timeout);
        self.socket
            .set_nonblocking(false)
            .and_then(|()| self.socket.set_write_timeout(write_timeout.map(at_least_shortest)))
            .map_err(|source| Error::io("setting blocking mode", source))
    }

    pub(crate) fn set_non_blocking(&mut self) -> Result<()> {
        self.below_mut().limit_writes(None);
        self.socket.set_nonblocking(true).map_err(|source| Error::io("setting non-blocking mode", source))
    }

    /// Makes blocking reads wait at most this long. A system call only if that changes anything.
    pub(crate) fn arm_read_timeout(&mut self, timeout: Option<Duration>) -> Result<()> {
        let timeout = timeout.map(at_least_shortest);
        if timeout != self.read_timeout {
            self.socket
                .set_read_timeout(timeout)
                .map_err(|source| Error::io("setting the read timeout", source))?;
            self.read_timeout = timeout;
        }
        Ok(())
    }

    /// Lets the peer read to the end what it was sent, for a while after the drop: a Close frame.
    pub(crate) fn linger_at_end(&mut self) {
        self.lingers = true;
    }

    /// Ends the stream in both directions at once; `drop` then has nothing to say to the peer.
    pub(crate) fn abort(&mut self) {
        self.aborted = true;
        // Fails only if the connection is gone, which is what is wanted.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    fn below(&self) -> &ReadBuffer {
        match &self.stream {
            Stream::Plain(buffer) => buffer,
            Stream::Tls(stream) => stream.below(),
        }
    }

    fn below_mut(&mut self) -> &mut ReadBuffer {
        match &mut self.stream {
            Stream::Plain(buffer) => buffer,
            Stream::Tls(stream) => stream.below_mut(),
        }
    }
}

impl Read for Transport {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(buffer) => buffer.read_straight(into),
            Stream::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(buffer) => buffer.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    /// Nothing is kept back, so there is nothing to do.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Transport {
    /// Ends the stream without waiting: close_notify and FIN behind what was written.
    ///
    /// Each step is an effort of which nobody is left to hear; a step that fails leaves the next.
    fn drop(&mut self) {
        if self.aborted {
            return;
        }
        if self.socket.set_nonblocking(true).is_err() {
            return;
        }
        if let Stream::Tls(stream) = &mut self.stream {
            stream.send_close_notify();
        }
        let _ = self.socket.shutdown(Shutdown::Write);
        if !linger::drain(&self.socket) && self.lingers {
            linger::linger(&self.socket);
        }
    }
}

/// The system takes a timeout of zero for none.
fn at_least_shortest(timeout: Duration) -> Duration {
    timeout.max(SHORTEST_TIMEOUT)
}
