//! The little of RFC 6455 that both ends of a benchmark need: well-formed, unfragmented frames.

/// Frame opcodes (RFC 6455, section 5.2).
pub(crate) mod opcode {
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
    pub(crate) const PONG: u8 = 10;
}

/// Where a frame lies in a buffer.
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) mask: Option<[u8; 4]>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Frame {
    /// The frame at the beginning of `bytes`, if its header is complete; its end may lie beyond.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (length, mut start) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
            short => (usize::from(short), 2),
        };
        let mut mask = None;
        if second & 0x80 != 0 {
            mask = Some(bytes.get(start..start + 4)?.try_into().ok()?);
            start += 4;
        }
        Some(Self { opcode: first & 0x0f, mask, start, end: start + length })
    }
}

/// Appends a frame; a client's is masked.
pub(crate) fn append(into: &mut Vec<u8>, opcode: u8, mask: Option<[u8; 4]>, payload: &[u8]) {
    into.push(0x80 | opcode);
    let flag = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ ..=125 => into.push(flag | short as u8),
        medium @ ..=0xffff => {
            into.push(flag | 126);
            into.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            into.push(flag | 127);
            into.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    into.extend_from_slice(mask.as_ref().map_or(&[][..], |mask| mask));
    let start = into.len();
    into.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(mask, &mut into[start..]);
    }
}

/// Masks or unmasks (RFC 6455, section 5.3), eight bytes at a time.
pub(crate) fn apply_mask(mask: [u8; 4], bytes: &mut [u8]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (index, byte) in rest.iter_mut().enumerate() {
        *byte ^= mask[index & 3];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_as_it_was_sent() {
        for size in [0, 1, 7, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..size).map(|index| index as u8).collect();
            let mut bytes = Vec::new();
            append(&mut bytes, opcode::BINARY, Some([1, 2, 3, 4]), &payload);
            let frame = Frame::parse(&bytes).expect("complete");
            assert_eq!((frame.opcode, frame.end), (opcode::BINARY, bytes.len()));
            let mut found = bytes[frame.start..frame.end].to_vec();
            apply_mask(frame.mask.expect("masked"), &mut found);
            assert_eq!(found, payload);
        }
    }
}
