//! Inflates messages (RFC 7692, section 7.2.2). The only file that does.

use bytes::Bytes;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::output::Output;
use crate::error::{Error, Result};

/// As large a window as there is. Every smaller one is a part of it, so that a server which takes no
/// context over, or little, needs nothing special; and servers on zlib use 9 bits where 8 are agreed.
const WINDOW_BITS: u8 = 15;

/// Bytes of a payload's end that are copied, so that something can be put behind them; most payloads
/// whole.
const COPIED: usize = 4 << 10;
/// What is put there: the tail that senders leave out (an empty block: bits 000, padding, a length of
/// zero and its complement), another empty block, and some bytes more. zlib-rs is fast only while 15
/// bytes lie ahead.
const BEHIND: [u8; 16] = [0, 0, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0];
const TAIL: usize = 4;
const EMPTY_BLOCK: usize = 5;

pub(super) struct Inflater {
    inflate: Inflate,
    copied: Box<[u8; COPIED + BEHIND.len()]>,
}

/// What is made of one payload.
struct Message<'a> {
    output: &'a mut Output,
    /// What no longer was in the chunk.
    long: Vec<u8>,
    /// Bytes in the chunk.
    made: usize,
    limit: usize,
    has_begun: bool,
}

/// What became of some input.
struct Fed {
    taken: usize,
    made: usize,
    /// A block marked as the last (RFC 7692, section 7.2.3.4) has ended. Another stream may follow.
    ended: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { inflate: Inflate::new(false, WINDOW_BITS), copied: Box::new([0; COPIED + BEHIND.len()]) }
    }

    /// The message of which `data` is the whole payload. Holds at most `limit` bytes and a chunk.
    pub(super) fn inflate(&mut self, data: &[u8], output: &mut Output, limit: usize) -> Result<Bytes> {
        let mut message = Message { output, long: Vec::new(), made: 0, limit, has_begun: false };
        let (mut long, last) = data.split_at(data.len().saturating_sub(COPIED));
        while !long.is_empty() {
            let fed = feed(&mut self.inflate, long, &mut message, InflateFlush::SyncFlush)?;
            long = &long[fed.taken..];
        }
        self.inflate_end(last, &mut message)?;
        Ok(message.output.finish(message.long, message.made, limit))
    }

    /// Inflates the rest of a payload and the tail behind it, and makes sure that the tail ends the
    /// message: a stream that is out of step must not pass for a shorter message and spoil the next.
    ///
    /// A block at a time, so that inflating stops right behind the tail where that completes an empty
    /// block. Where it was taken for the end of another block, bits of its last byte may be left over:
    /// then the empty block that follows is not taken whole.
    fn inflate_end(&mut self, last: &[u8], message: &mut Message<'_>) -> Result<()> {
        let input = &mut self.copied[..last.len() + BEHIND.len()];
        input[..last.len()].copy_from_slice(last);
        input[last.len()..].copy_from_slice(&BEHIND);
        let mut next = 0;
        loop {
            let fed = feed(&mut self.inflate, &input[next..], message, InflateFlush::Block)?;
            next += fed.taken;
            if fed.ended && next == last.len() {
                return Ok(());
            }
            if next >= last.len() + TAIL {
                let is_tail = next == last.len() + TAIL && fed.made == 0 && !fed.ended;
                let fed = feed(&mut self.inflate, &input[next..], message, InflateFlush::Block)?;
                let is_empty_block = fed.taken == EMPTY_BLOCK && fed.made == 0 && !fed.ended;
                return if is_tail && is_empty_block { Ok(()) } else { Err(out_of_step()) };
            }
        }
    }
}

fn feed(inflate: &mut Inflate, input: &[u8], message: &mut Message<'_>, flush: InflateFlush) -> Result<Fed> {
    let room = message.room();
    let (taken, made) = (inflate.total_in(), inflate.total_out());
    let Ok(status) = inflate.decompress(input, room, flush) else {
        // What its fast loop has found, zlib-rs 0.6 forgets and says that the state is bad.
        let reason = inflate.error_message().filter(|reason| !reason.ends_with("bad state"));
        return Err(corrupt(reason.unwrap_or("it is no deflate data")));
    };
    let taken = (inflate.total_in() - taken) as usize;
    let made = (inflate.total_out() - made) as usize;
    let ended = status == Status::StreamEnd;
    if ended {
        inflate.reset(false);
    }
    // A stream that ends before anything was taken ended in the message before, within the last byte of
    // the tail.
    if taken == 0 && made == 0 && !(ended && message.has_begun) {
        return Err(out_of_step());
    }
    message.grow(made)?;
    Ok(Fed { taken, made, ended })
}

impl Message<'_> {
    /// Where the next bytes of it go.
    fn room(&mut self) -> &mut [u8] {
        if self.made == self.output.chunk.len() {
            self.output.append_to(&mut self.long, self.made, self.limit);
            self.made = 0;
        }
        &mut self.output.chunk[self.made..]
    }

    fn grow(&mut self, made: usize) -> Result<()> {
        self.has_begun = true;
        self.made += made;
        let size = self.long.len() + self.made;
        if size > self.limit {
            // How much more there is, only inflating it would tell.
            return Err(Error::MessageTooLarge { size, limit: self.limit });
        }
        Ok(())
    }
}

fn out_of_step() -> Error {
    corrupt("it does not end where a message does")
}

fn corrupt(reason: &str) -> Error {
    Error::Protocol(format!("a compressed message is corrupt: {reason}"))
}
