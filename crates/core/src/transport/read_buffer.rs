//! What lies between the kernel and TLS: a read buffer, and the gates that allow one kernel read and one
//! blocked write a turn.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::Socket;

use super::memory::Memory;

/// Keeps a write to a connection that the peer has reset from raising SIGPIPE; Apple's systems have a
/// socket option for that, which socket2 sets, and Windows has no such signal.
#[cfg(all(unix, not(target_vendor = "apple")))]
const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
#[cfg(not(all(unix, not(target_vendor = "apple"))))]
const SEND_FLAGS: i32 = 0;

/// A buffered reader and unbuffered writer over a socket.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    socket: Arc<Socket>,
    /// There while it holds unread bytes.
    unread: Option<Memory>,
    /// How a read failed that nobody has been told of.
    failure: Option<io::Error>,
    gate: Gate,
    received_at: Instant,
    quick_ack: Option<bool>,
    saw_end: bool,
    /// The stream must not end yet.
    expects_more: bool,
    blocked_on: Blocked,
    /// TLS writes, and reads only for that.
    is_writing: bool,
    /// Such reads find nothing.
    leaves_reading: bool,
    /// The last write was taken in part.
    took_part: bool,
    /// A write has blocked in this turn.
    write_blocked: bool,
    /// How long the writes of a turn may block together.
    write_limit: Option<Duration>,
    /// How long they have taken, where there is a limit.
    written_for: Duration,
    /// The error number of the latest write that failed for good.
    write_failure: Option<i32>,
}

/// Whether the kernel may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    /// Without limit, before the first turn.
    Off,
    /// Until a read brings bytes.
    Open,
    /// Not before the next turn.
    Shut,
}

/// What would have blocked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    Read,
    Write,
}

impl ReadBuffer {
    pub(super) fn new(socket: Arc<Socket>, quick_ack: Option<bool>) -> Self {
        Self {
            socket,
            unread: None,
            failure: None,
            gate: Gate::Off,
            received_at: Instant::now(),
            quick_ack,
            saw_end: false,
            expects_more: false,
            blocked_on: Blocked::Read,
            is_writing: false,
            leaves_reading: true,
            took_part: false,
            write_blocked: false,
            write_limit: None,
            written_for: Duration::ZERO,
            write_failure: None,
        }
    }

    /// Allows one kernel read that brings bytes, and one write that blocks.
    pub(super) fn begin_turn(&mut self) {
        self.gate = Gate::Open;
        self.retry_write();
    }

    /// Whether what is read until the next call is read for a write.
    pub(super) fn set_writing(&mut self, is_writing: bool) {
        self.is_writing = is_writing;
    }

    /// Whether reading is left to the reads: one for a write finds nothing.
    pub(super) fn leave_reading(&mut self, leaves: bool) {
        self.leaves_reading = leaves;
    }

    /// As if this turn had read the kernel.
    pub(super) fn end_reading(&mut self) {
        self.gate = Gate::Shut;
    }

    /// Ends the turns of the handshakes: until the next one begins there is no limit.
    pub(super) fn end_turns(&mut self) {
        self.gate = Gate::Off;
        self.retry_write();
    }

    /// Allows one more write that blocks.
    pub(super) fn retry_write(&mut self) {
        self.write_blocked = false;
        self.written_for = Duration::ZERO;
    }

    /// Bounds the writes of a turn: the socket's own timeout bounds each, and a peer that reads slowly may
    /// let every one go on just before that.
    pub(super) fn limit_writes(&mut self, limit: Option<Duration>) {
        self.write_limit = limit;
    }

    /// Whether the end of the stream is a failure: TLS libraries do not tell it from what the peer did wrong
    /// in a handshake.
    pub(super) fn expect_more(&mut self, more: bool) {
        self.expects_more = more;
    }

    /// Whether the turn's kernel read brought bytes.
    pub(super) fn has_read(&self) -> bool {
        self.gate == Gate::Shut
    }

    /// When the kernel was read last with success.
    pub(super) fn received_at(&self) -> Instant {
        self.received_at
    }

    /// Whether a reader has been told of the end of the stream.
    pub(super) fn saw_end(&self) -> bool {
        self.saw_end
    }

    /// What the last call that would have blocked was.
    pub(super) fn blocked_on(&self) -> Blocked {
        self.blocked_on
    }

    /// How the latest write failed; told once.
    pub(super) fn take_write_failure(&mut self) -> Option<io::Error> {
        self.write_failure.take().map(io::Error::from_raw_os_error)
    }

    /// Whether the gate allows to read the kernel.
    pub(super) fn may_read(&self) -> bool {
        self.gate != Gate::Shut
    }

    /// Reads the kernel, as far as the gate allows it, without buffering.
    pub(super) fn read_straight(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = if self.may_read() {
            self.receive(|socket| socket.read(into))
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        };
        match &read {
            Ok(0) => self.saw_end = true,
            Ok(_) => {}
            Err(_) => self.blocked_on = Blocked::Read,
        }
        read
    }

    /// Reads the kernel where nothing read before is left and the gate allows it; whether
    /// [`read`](Self::read) has something to give: bytes, the end of the stream, or a failure.
    pub(super) fn fetch(&mut self) -> bool {
        if self.unread.is_some() || self.failure.is_some() {
            return true;
        }
        if self.gate == Gate::Shut {
            return false;
        }
        match self.fill() {
            Ok(_) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.blocked_on = Blocked::Read;
                false
            }
            Err(error) => {
                self.failure = Some(error);
                true
            }
        }
    }

    /// Reads the kernel once; `Ok(0)` is the end of the stream.
    fn fill(&mut self) -> io::Result<usize> {
        let mut memory = Memory::take();
        // SAFETY: the system has written as many bytes as it says.
        let filled = unsafe { memory.fill(|bytes| self.receive(|socket| socket.recv(bytes))) };
        if matches!(filled, Ok(1..)) {
            self.unread = Some(memory);
        } else {
            memory.give_back();
        }
        filled
    }

    /// Has `read` read the kernel.
    fn receive(&mut self, mut read: impl FnMut(&mut &Socket) -> io::Result<usize>) -> io::Result<usize> {
        let count = loop {
            match read(&mut &*self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.map_err(timeout_as_would_block)?,
            }
        };
        if count > 0 {
            self.received_at = Instant::now();
            if self.gate == Gate::Open {
                self.gate = Gate::Shut;
            }
            self.renew_quick_ack();
        }
        Ok(count)
    }

    fn is_past_write_limit(&self) -> bool {
        self.write_limit.is_some_and(|limit| self.written_for >= limit)
    }

    /// Has the kernel take bytes. What passes between the writes of a turn, in a handler, is not theirs.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let began = self.write_limit.map(|_| Instant::now());
        let sent = self.socket.send_with_flags(bytes, SEND_FLAGS).map_err(timeout_as_would_block);
        if let Some(began) = began {
            self.written_for += began.elapsed();
        }
        sent
    }

    fn note_blocked_write(&mut self) -> io::Error {
        self.blocked_on = Blocked::Write;
        self.write_blocked = true;
        io::ErrorKind::WouldBlock.into()
    }

    /// The kernel leaves quick-ack mode by itself (tcp(7)), so it is set again after each read.
    fn renew_quick_ack(&self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(on) = self.quick_ack {
            // An optimisation; if the connection is broken the next read or write tells.
            let _ = self.socket.set_tcp_quickack(on);
        }
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = self.quick_ack;
    }
}

impl Read for ReadBuffer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.is_writing && self.leaves_reading {
            self.blocked_on = Blocked::Read;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.unread.is_none() {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if self.gate == Gate::Shut {
                self.blocked_on = Blocked::Read;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            match self.fill() {
                Ok(0) if self.expects_more => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(0) => {
                    self.saw_end = true;
                    return Ok(0);
                }
                Ok(_) => {}
                Err(error) => {
                    self.blocked_on = Blocked::Read;
                    return Err(error);
                }
            }
        }
        // Filled just above where it was not there.
        let Some(memory) = &mut self.unread else { return Ok(0) };
        let count = memory.move_to(into);
        if memory.is_empty()
            && let Some(memory) = self.unread.take()
        {
            memory.give_back();
        }
        Ok(count)
    }
}

impl Write for ReadBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The kernel had no room for the rest. A blocking socket has spent its write timeout on that:
        // were it asked again at once, a peer that reads slowly could hold the thread up for ever.
        if std::mem::take(&mut self.took_part) {
            return Err(self.note_blocked_write());
        }
        // Each of the many steps of a turn tries to send what is unsent: one of them may wait for it.
        if self.gate != Gate::Off && (self.write_blocked || self.is_past_write_limit()) {
            return Err(self.note_blocked_write());
        }
        loop {
            match self.send(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(self.note_blocked_write());
                }
                Err(error) => {
                    self.write_failure = error.raw_os_error();
                    return Err(error);
                }
                Ok(count) => {
                    self.took_part = count < bytes.len();
                    return Ok(count);
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket timeout is WouldBlock on Unix and TimedOut on Windows; here it is always the former.
///
/// ETIMEDOUT, a connection given up by TCP, is a TimedOut too, but with no timeout set on a socket it
/// cannot be one: so only Windows maps.
fn timeout_as_would_block(error: io::Error) -> io::Error {
    if cfg!(windows) && error.kind() == io::ErrorKind::TimedOut {
        return io::ErrorKind::WouldBlock.into();
    }
    error
}
