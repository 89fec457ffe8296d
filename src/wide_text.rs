//! Text as UTF-16, which V8 takes over as it is. Knows no batch.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use encoding_rs::mem::convert_str_to_utf16;
use napi_derive::napi;

/// The longest text that crosses to JavaScript as UTF-16 if it is not ASCII, for all of the process: the
/// threads of clients know no environment.
static LONGEST: AtomicUsize = AtomicUsize::new(0);

/// Has text of so many bytes at most come as UTF-16 where it is not ASCII; what is longer comes as UTF-8.
#[napi(catch_unwind)]
pub fn widen_text(longest: u32) {
    LONGEST.store(longest as usize, Ordering::Relaxed);
}

/// Whether JavaScript wants text of so many bytes as UTF-16.
pub(crate) fn is_wanted(length: usize) -> bool {
    length <= LONGEST.load(Ordering::Relaxed)
}

/// Room that is enough for text of this many bytes, wherever it begins.
pub(crate) fn room_for(text: usize) -> usize {
    // A code unit comes of one byte or more; the one byte is for alignment.
    text * 2 + 1
}

/// Writes text as UTF-16, in the machine's byte order, to the first aligned place in `into`; where that
/// is and how many bytes it takes. There has to be [room](room_for).
pub(crate) fn widen(text: &str, into: &mut [u8]) -> (usize, usize) {
    // SAFETY: every pair of bytes is a `u16`.
    let (unaligned, units, _) = unsafe { into.align_to_mut::<u16>() };
    (unaligned.len(), convert_str_to_utf16(text, units) * 2)
}

/// Text as UTF-16 in memory of its own.
pub(crate) fn widened(text: &str) -> Bytes {
    let mut room = vec![0; room_for(text.len())];
    let (start, length) = widen(text, &mut room);
    Bytes::from(room).slice(start..start + length)
}
