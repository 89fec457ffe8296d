//! The write side of a connection: accepts every byte, keeps what the stream does not take yet.
//!
//! What writes above never sees would-block or an error: so no bytes are held back there, and a Close
//! frame can never be lost.

use std::io::{self, Read, Write};

/// Capacity kept once everything is sent; a larger buffer is given back.
const KEPT_CAPACITY: usize = 64 << 10;

pub(crate) struct Outbound<S> {
    stream: S,
    unsent: Vec<u8>,
    /// Where in `unsent` the bytes begin that the stream has not taken.
    start: usize,
    blocked: bool,
    /// How many corks there are, one in another.
    corks: usize,
    failure: Option<io::Error>,
}

impl<S> Outbound<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, unsent: Vec::new(), start: 0, blocked: false, corks: 0, failure: None }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    pub(crate) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Bytes accepted and not yet taken by the stream.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent.len() - self.start
    }

    /// Whether the stream refused bytes that it has not taken since.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The error with which the stream refused bytes for good; what was unsent is gone.
    pub(crate) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// While corked, bytes are kept back so that they go out in one write.
    pub(crate) fn cork(&mut self) {
        self.corks += 1;
    }

    /// Takes one cork away.
    pub(crate) fn uncork(&mut self) {
        self.corks = self.corks.saturating_sub(1);
    }

    /// Takes all corks away.
    pub(crate) fn uncork_all(&mut self) {
        self.corks = 0;
    }

    pub(crate) fn is_corked(&self) -> bool {
        self.corks > 0
    }

    pub(crate) fn discard(&mut self) {
        self.unsent = Vec::new();
        self.start = 0;
        self.blocked = false;
    }
}

impl<S: Write> Outbound<S> {
    /// Hands the stream as much of what is unsent as it takes.
    pub(crate) fn send_unsent(&mut self) {
        let taken = write_most(&mut self.stream, &self.unsent[self.start..]);
        self.start += self.settle(taken);
        if self.start == self.unsent.len() {
            self.start = 0;
            self.blocked = false;
            if self.unsent.capacity() > KEPT_CAPACITY {
                self.unsent = Vec::new();
            } else {
                self.unsent.clear();
            }
        }
    }

    /// Notes whether the stream blocked or failed; how many bytes it took.
    fn settle(&mut self, (taken, outcome): (usize, io::Result<()>)) -> usize {
        match outcome {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
            Err(error) => {
                self.failure = Some(error);
                self.discard();
                return 0;
            }
        }
        taken
    }

    /// Where bytes go that cannot be written at once, because of a cork or of others before them.
    pub(crate) fn unsent_to_append_to(&mut self) -> Option<&mut Vec<u8>> {
        if (!self.is_corked() && self.unsent() == 0) || self.failure.is_some() {
            return None;
        }
        // Moves the rest to the front only when that frees half of the buffer: amortised linear.
        if self.start > self.unsent.len() / 2 {
            self.unsent.drain(..self.start);
            self.start = 0;
        }
        Some(&mut self.unsent)
    }

    /// Hands the stream bytes that [may be written at once](Self::unsent_to_append_to) and keeps what it
    /// does not take.
    pub(crate) fn write_through(&mut self, bytes: &[u8]) {
        if self.failure.is_some() {
            return;
        }
        let taken = write_most(&mut self.stream, bytes);
        let taken = self.settle(taken);
        if self.blocked {
            self.unsent.extend_from_slice(&bytes[taken..]);
        }
    }
}

impl<S: Read> Read for Outbound<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.read(into)
    }
}

/// Writes until all is taken or the stream refuses; how much was taken, and the refusal.
fn write_most(stream: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut taken = 0;
    while taken < bytes.len() {
        match stream.write(&bytes[taken..]) {
            Ok(0) => return (taken, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => taken += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (taken, Err(error)),
        }
    }
    (taken, Ok(()))
}
