//! Writing frames: header and masked payload in one piece, so that a frame takes one system call. Knows
//! no state of the connection.

use std::{cell::Cell, io::Write};

use tungstenite::protocol::frame::{FrameHeader, coding::OpCode};

use crate::outbound::Outbound;

/// Memory for longer frames is not kept.
const LONGEST_KEPT: usize = 64 << 10;

thread_local! {
    /// Where the connections of a thread make their frames.
    static FRAME: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes a whole message in one frame. The stream takes all of it.
#[inline]
pub(super) fn write_frame<S: Write>(
    stream: &mut Outbound<S>,
    opcode: OpCode,
    is_compressed: bool,
    payload: &[u8],
) {
    // RFC 6455, section 5.3: a mask that nobody can foretell, another for each frame.
    let mask: [u8; 4] = rand::random();
    let header = FrameHeader { rsv1: is_compressed, opcode, mask: Some(mask), ..FrameHeader::default() };
    if let Some(unsent) = stream.unsent_to_append_to() {
        return append_frame(unsent, &header, mask, payload);
    }
    // Fails only while the thread ends.
    let mut frame = FRAME.try_with(Cell::take).unwrap_or_default();
    append_frame(&mut frame, &header, mask, payload);
    stream.write_through(&frame);
    if frame.capacity() <= LONGEST_KEPT {
        frame.clear();
        let _ = FRAME.try_with(|kept| kept.set(frame));
    }
}

/// Bytes of the frame of a message of `payload` bytes that is not compressed.
pub(crate) fn frame_size(payload: usize) -> usize {
    let header = FrameHeader { mask: Some([0; 4]), ..FrameHeader::default() };
    payload.saturating_add(header.len(payload as u64))
}

/// Frees what this thread keeps for its next frame.
pub(crate) fn release_spare() {
    drop(FRAME.try_with(Cell::take));
}

fn append_frame(frame: &mut Vec<u8>, header: &FrameHeader, mask: [u8; 4], payload: &[u8]) {
    frame.reserve(header.len(payload.len() as u64) + payload.len());
    let written = header.format(payload.len() as u64, frame);
    debug_assert!(written.is_ok(), "a Vec takes everything: {written:?}");
    let start = frame.len();
    frame.extend_from_slice(payload);
    apply_mask(&mut frame[start..], mask);
}

/// RFC 6455, section 5.3. Words first: compilers make vectors of them.
fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let (words, rest) = bytes.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}
