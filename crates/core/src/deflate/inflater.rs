//! Inflates messages (RFC 7692, section 7.2.2). The only file that does.

use bytes::Bytes;
use zlib_rs::{Inflate, InflateFlush, Status};

use super::output::Output;
use crate::error::{Error, Result};

/// As large a window as there is. Every smaller one is a part of it, so that a server which takes no
/// context over, or little, needs nothing special; and servers on zlib use 9 bits where 8 are agreed.
const WINDOW_BITS: u8 = 15;

/// The tail, an empty block (bits 000, padding, a length of zero and its complement), and a byte more.
const PROBE: [u8; 10] = [0, 0, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0];
/// Where in the probe inflating has to begin and how many bytes it has to take.
const PROBE_STEPS: [(usize, usize); 2] = [(0, 4), (4, 5)];

pub(super) struct Inflater {
    inflate: Inflate,
}

/// What became of some input.
struct Fed {
    taken: usize,
    made: usize,
    status: Status,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self { inflate: Inflate::new(false, WINDOW_BITS) }
    }

    /// The message of which `data` is the whole payload. Holds at most `limit` bytes and a chunk.
    pub(super) fn inflate(&mut self, data: &[u8], output: &mut Output, limit: usize) -> Result<Bytes> {
        let mut rest = data;
        let mut long = Vec::new();
        loop {
            let Fed { taken, made, status } = self.feed(rest, &mut output.chunk, InflateFlush::SyncFlush)?;
            rest = &rest[taken..];
            if long.len() + made > limit {
                // How much more there is, only inflating it would tell.
                return Err(Error::MessageTooLarge { size: long.len() + made, limit });
            }
            let is_whole = if status == Status::StreamEnd {
                // A block marked as the last (RFC 7692, section 7.2.3.4). Another stream may follow.
                self.inflate.reset(false);
                rest.is_empty()
            } else if made == output.chunk.len() {
                false
            } else {
                self.check_end()?;
                true
            };
            if is_whole {
                return Ok(output.finish(long, made, limit));
            }
            output.append_to(&mut long, made, limit);
        }
    }

    fn feed(&mut self, input: &[u8], chunk: &mut [u8], flush: InflateFlush) -> Result<Fed> {
        let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
        match self.inflate.decompress(input, chunk, flush) {
            Ok(status) => Ok(Fed {
                taken: (self.inflate.total_in() - taken) as usize,
                made: (self.inflate.total_out() - made) as usize,
                status,
            }),
            Err(_) => Err(corrupt(self.inflate.error_message().unwrap_or("it is no deflate data"))),
        }
    }

    /// Feeds the tail that senders leave out, and makes sure that it ends the message: a stream that
    /// is out of step must not pass for a shorter message and spoil the next.
    ///
    /// The tail completes an empty block. Where it does, inflating stops right behind it and leaves
    /// what follows. Where it was taken for the end of another block, bits of its last byte may be
    /// left over: then the empty block that follows is not taken whole.
    fn check_end(&mut self) -> Result<()> {
        for (start, length) in PROBE_STEPS {
            let fed = self.feed(&PROBE[start..], &mut [0], InflateFlush::Block)?;
            if fed.made > 0 || fed.taken != length || fed.status != Status::Ok {
                return Err(corrupt("it does not end where a message does"));
            }
        }
        Ok(())
    }
}

fn corrupt(reason: &str) -> Error {
    Error::Protocol(format!("a compressed message is corrupt: {reason}"))
}
