//! The memory that frames are read into and whose parts are given out as payloads: one piece a thread, which
//! a connection holds only while bytes in it are unread. Knows no frame.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io::{self, Read},
    mem,
};

use bytes::{Buf, Bytes, BytesMut};

/// Room for several small messages.
const SMALL: usize = 8 << 10;
/// Room for several hundred small messages, or for four of 16 KiB with their headers.
pub(super) const LARGE: usize = 65 << 10;
/// Where payloads are still in use, less room than this behind them is not worth a system call.
const LEAST_ROOM: usize = 4 << 10;
/// How many buffers with payloads in use are kept to be used again.
const MOST_LENT: usize = 8;

thread_local! {
    static SPARE: Cell<Option<FrameBuffer>> = const { Cell::new(None) };
    /// Those that were full of payloads in use, the oldest first.
    static LENT: RefCell<VecDeque<FrameBuffer>> = const { RefCell::new(VecDeque::new()) };
}

/// Memory to read into.
pub(super) struct FrameBuffer {
    /// The unread bytes and, behind them, room for more.
    ///
    /// All of its memory is initialised: it begins as `size` zeros up to its capacity, and only ever loses
    /// parts and gets them back.
    bytes: BytesMut,
    unread: usize,
    size: usize,
    /// The latest read has filled all the room there was.
    was_filled: bool,
}

impl FrameBuffer {
    /// The thread's own, or a new one; empty.
    pub(super) fn take() -> Self {
        // Fails only while the thread ends.
        SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| Self::of(SMALL))
    }

    /// Leaves it to the next read on this thread, with nothing unread in it.
    pub(super) fn give_back(self) {
        debug_assert!(self.is_empty(), "another connection would get {} bytes", self.unread);
        if self.size < 2 * LARGE {
            let _ = SPARE.try_with(|spare| spare.set(Some(self)));
        }
    }

    /// One that holds `bytes`.
    pub(super) fn holding(bytes: &[u8]) -> Self {
        let mut buffer = Self::of(bytes.len().max(SMALL));
        buffer.bytes[..bytes.len()].copy_from_slice(bytes);
        buffer.unread = bytes.len();
        buffer
    }

    fn of(size: usize) -> Self {
        let mut bytes = BytesMut::zeroed(size);
        bytes.resize(bytes.capacity(), 0);
        Self { unread: 0, size: bytes.len(), bytes, was_filled: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread == 0
    }

    pub(super) fn unread(&self) -> &[u8] {
        &self.bytes[..self.unread]
    }

    /// Passes over unread bytes.
    pub(super) fn skip(&mut self, count: usize) {
        self.unread -= count;
        self.bytes.advance(count);
    }

    /// Takes unread bytes without copying them. Until they are dropped their memory is not read into.
    pub(super) fn split(&mut self, count: usize) -> Bytes {
        self.unread -= count;
        self.bytes.split_to(count).freeze()
    }

    /// Moves as many unread bytes as fit; how many.
    pub(super) fn move_to(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.unread);
        into[..count].copy_from_slice(&self.bytes[..count]);
        self.skip(count);
        count
    }

    /// Reads once, behind what is unread, where there is room for `whole` bytes with that.
    pub(super) fn read(&mut self, whole: usize, stream: &mut impl Read) -> io::Result<usize> {
        self.make_room(whole);
        let room = &mut self.bytes[self.unread..];
        let most = room.len();
        let count = loop {
            match stream.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?.min(most),
            }
        };
        self.was_filled = count == most;
        self.unread += count;
        Ok(count)
    }

    fn make_room(&mut self, whole: usize) {
        debug_assert!(whole <= LARGE, "{whole} bytes");
        if self.size < LARGE && (self.was_filled || whole > self.size) {
            return self.replace(LARGE);
        }
        let (unread, end) = (self.unread, self.bytes.len());
        let has_room = |least| end - unread >= least && end >= whole;
        // With nothing to be moved the front is best: it is in the processor's cache.
        let is_roomy = unread > 0 && has_room(self.size / 2);
        if !is_roomy && !self.reclaim() && !has_room(LEAST_ROOM) {
            self.replace(self.size);
        }
    }

    /// Moves what is unread to the front of the memory, unless payloads of it are in use.
    fn reclaim(&mut self) -> bool {
        let end = self.bytes.len();
        self.bytes.truncate(self.unread);
        let is_reclaimed = self.bytes.try_reclaim(self.size - self.unread);
        // SAFETY: nothing was allocated, so this is the memory that `of` has initialised to its end, and it
        // has the capacity that was just asked for, or else as much as before `truncate`.
        unsafe { self.bytes.set_len(if is_reclaimed { self.size } else { end }) };
        is_reclaimed
    }

    /// Goes on in other memory.
    #[cold]
    fn replace(&mut self, size: usize) {
        let mut next = if size == LARGE { Self::take_lent() } else { Self::of(size) };
        next.unread = self.move_to(&mut next.bytes);
        mem::replace(self, next).lend();
    }

    /// The one lent for the longest time, if its payloads are no longer in use, or a new one.
    fn take_lent() -> Self {
        let Some(mut oldest) = LENT.try_with(|lent| lent.borrow_mut().pop_front()).ok().flatten() else {
            return Self::of(LARGE);
        };
        if oldest.reclaim() {
            return oldest;
        }
        oldest.lend();
        Self::of(LARGE)
    }

    /// Keeps it until its payloads are no longer in use.
    fn lend(self) {
        if self.size >= LARGE {
            let _ = LENT.try_with(|lent| {
                let mut lent = lent.borrow_mut();
                if lent.len() < MOST_LENT {
                    lent.push_back(self);
                }
            });
        }
    }
}

/// Frees what this thread keeps for its next read.
pub(super) fn release_spare() {
    drop(SPARE.try_with(Cell::take));
    drop(LENT.try_with(RefCell::take));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Endless bytes, each other than those about it, of which a read brings so many by turns.
    struct Counting {
        next: usize,
        pieces: &'static [usize],
        reads: usize,
    }

    fn byte(index: usize) -> u8 {
        (index * 31 + index / 251) as u8
    }

    impl Read for Counting {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = into.len().min(self.pieces[self.reads % self.pieces.len()]);
            self.reads += 1;
            for into in &mut into[..count] {
                *into = byte(self.next);
                self.next += 1;
            }
            Ok(count)
        }
    }

    fn begins_at(start: usize, bytes: &[u8]) -> bool {
        bytes.iter().enumerate().all(|(index, &it)| it == byte(start + index))
    }

    /// Reads and takes parts, of which some are kept for a while and some for good.
    #[test]
    fn parts_in_use_are_never_read_into_and_no_byte_is_lost_or_doubled() {
        release_spare();
        for pieces in [&[1, 7, 5_000][..], &[70_000], &[16_388], &[3_000, 66_000, 1]] {
            let mut stream = Counting { next: 0, pieces, reads: 0 };
            let mut buffer = FrameBuffer::take();
            let mut taken = 0;
            let mut in_use: VecDeque<(usize, Bytes)> = VecDeque::new();
            for turn in 0..200 {
                let part = [2, 66, 1_030, 16_388, LARGE][turn % 5];
                while buffer.unread().len() < part {
                    assert!(buffer.read(part, &mut stream).unwrap_or(0) > 0, "there was room");
                }
                assert!(begins_at(taken, &buffer.unread()[..part]), "turn {turn}");
                in_use.push_back((taken, buffer.split(part)));
                taken += part;
                while in_use.len() > turn % 23 {
                    let was_kept = in_use.pop_front().is_some_and(|(start, part)| begins_at(start, &part));
                    assert!(was_kept, "turn {turn}");
                }
            }
            assert_eq!(stream.next, taken + buffer.unread().len());
        }
    }

    #[test]
    fn memory_whose_parts_are_no_longer_in_use_is_read_into_again() {
        release_spare();
        let mut stream = Counting { next: 0, pieces: &[LARGE], reads: 0 };
        let mut seen = std::collections::HashSet::new();
        let mut in_use = VecDeque::new();
        for _ in 0..100 {
            let mut buffer = FrameBuffer::take();
            let _ = buffer.read(LARGE, &mut stream);
            in_use.push_back(buffer.split(buffer.unread().len()));
            seen.insert(in_use.back().map(|part| part.as_ptr()));
            in_use.drain(..in_use.len().saturating_sub(MOST_LENT / 2));
            buffer.give_back();
        }
        assert!(seen.len() <= MOST_LENT, "{} pieces of memory", seen.len());
    }
}
