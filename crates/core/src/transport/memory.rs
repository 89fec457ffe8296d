//! The memory that the kernel is read into: one piece a thread, which a connection holds only while bytes
//! in it are unread. So a thousand connections that bring nothing need no memory to read into.

use std::{cell::Cell, io, mem::MaybeUninit, slice};

/// Room for several small messages, or for the first half of a TLS record.
const SMALL: usize = 8 << 10;
/// Room for four TLS records or several hundred small messages in one system call.
const LARGE: usize = 64 << 10;

thread_local! {
    static SPARE: Cell<Option<Memory>> = const { Cell::new(None) };
}

/// Memory for one read at a time.
#[derive(Debug)]
pub(super) struct Memory {
    bytes: Box<[MaybeUninit<u8>]>,
    start: usize,
    end: usize,
}

impl Memory {
    /// The thread's own, or a new one.
    pub(super) fn take() -> Self {
        // Fails only while the thread ends.
        SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| Self::of(SMALL))
    }

    /// Leaves it to the next read on this thread, in a larger size if a read has filled it.
    pub(super) fn give_back(mut self) {
        if self.end == self.bytes.len() && self.bytes.len() < LARGE {
            self = Self::of(LARGE);
        }
        (self.start, self.end) = (0, 0);
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }

    /// Not initialised: what is never read into is never touched.
    fn of(size: usize) -> Self {
        Self { bytes: Box::new_uninit_slice(size), start: 0, end: 0 }
    }

    /// Fills it anew with what `read` brings; how many bytes that is.
    ///
    /// # Safety
    ///
    /// `read` must have initialised as many bytes as it says.
    pub(super) unsafe fn fill(
        &mut self,
        read: impl FnOnce(&mut [MaybeUninit<u8>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        (self.start, self.end) = (0, 0);
        let count = read(&mut self.bytes)?;
        self.end = count.min(self.bytes.len());
        Ok(count)
    }

    /// Whether no bytes are unread.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Moves as many unread bytes as fit; how many.
    pub(super) fn move_to(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.end - self.start);
        let unread = &self.bytes[self.start..self.start + count];
        // SAFETY: `fill` has initialised everything up to `end`.
        let unread = unsafe { slice::from_raw_parts(unread.as_ptr().cast(), count) };
        into[..count].copy_from_slice(unread);
        self.start += count;
        count
    }
}

/// Frees what this thread keeps for its next read.
pub(crate) fn release_spare() {
    drop(SPARE.try_with(Cell::take));
}
