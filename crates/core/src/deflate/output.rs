//! Where both codecs put what they make, a chunk at a time; reused from message to message.

use bytes::{Bytes, BytesMut};

/// How much a codec makes at once: most messages whole.
const CHUNK: usize = 32 << 10;
/// Memory that short messages share; once all of them have been dropped, it is used again.
const SLAB: usize = 64 << 10;

pub(super) struct Output {
    /// For the codec to write to.
    pub(super) chunk: Box<[u8]>,
    slab: BytesMut,
}

impl Output {
    pub(super) fn new() -> Self {
        Self { chunk: vec![0; CHUNK].into_boxed_slice(), slab: BytesMut::with_capacity(SLAB) }
    }

    /// Appends the first `made` bytes of the chunk to a long message of at most `limit` bytes, for
    /// which no more than that is ever reserved.
    pub(super) fn append_to(&self, long: &mut Vec<u8>, made: usize, limit: usize) {
        let wanted = long.len() + made;
        if wanted > long.capacity() {
            let capacity = long.capacity().saturating_mul(2).max(4 * CHUNK).clamp(wanted, limit);
            long.reserve_exact(capacity - long.len());
        }
        long.extend_from_slice(&self.chunk[..made]);
    }

    /// The message that ends with the first `made` bytes of the chunk, `long` having what came before.
    pub(super) fn finish(&mut self, mut long: Vec<u8>, made: usize, limit: usize) -> Bytes {
        if long.is_empty() {
            self.slab.extend_from_slice(&self.chunk[..made]);
            return self.slab.split().freeze();
        }
        self.append_to(&mut long, made, limit);
        long.into()
    }
}
