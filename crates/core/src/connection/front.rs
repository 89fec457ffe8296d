//! What the unread bytes begin with. Knows no buffer and no message.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;

use crate::event::MessageKind;

/// How a message in one frame begins: FIN, no reserved bits and the kind.
const WHOLE_TEXT: u8 = 0x81;
const WHOLE_BINARY: u8 = 0x82;
/// The bit that says so, before the length.
const MASKED: u8 = 0x80;

/// What begins with the first of the unread bytes.
#[derive(Debug, PartialEq)]
pub(super) enum Front {
    /// Not the whole header of a frame.
    Unknown,
    /// A message in one frame, but for what its payload may be.
    Message { kind: MessageKind, header: usize, payload: u64 },
    /// Another frame, or none.
    Other,
}

impl Front {
    /// Looks at the header (RFC 6455, section 5.2) in place: tungstenite's parser copies its numbers, and then
    /// waits until the processor has stored all of the message before.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Self {
        let (kind, length) = match *bytes {
            [WHOLE_TEXT, length, ..] => (MessageKind::Text, length),
            [WHOLE_BINARY, length, ..] => (MessageKind::Binary, length),
            _ => return Self::of_other(bytes),
        };
        let (header, payload) = match length {
            ..126 => (2, Some(u64::from(length))),
            126 => (4, bytes[2..].first_chunk().map(|&long| u64::from(u16::from_be_bytes(long)))),
            127 => (10, bytes[2..].first_chunk().map(|&long| u64::from_be_bytes(long))),
            MASKED.. => return Self::of_other(bytes),
        };
        payload.map_or(Self::Unknown, |payload| Self::Message { kind, header, payload })
    }

    #[cold]
    fn of_other(bytes: &[u8]) -> Self {
        match FrameHeader::parse(&mut Cursor::new(bytes)) {
            Ok(None) => Self::Unknown,
            Ok(Some(_)) | Err(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use tungstenite::protocol::frame::coding::{Data, OpCode};

    use super::*;

    #[test]
    fn the_front_is_what_tungstenite_takes_it_for() {
        for start in 0..=u16::MAX {
            let [first, second] = start.to_be_bytes();
            let numbers = [0x00, 0x80, 0xff].map(|high| [first, second, high, 1, 2, 3, 4, 5, 6, 7, 8]);
            for (bytes, length) in numbers.iter().flat_map(|bytes| (0..=bytes.len()).map(move |n| (bytes, n)))
            {
                let bytes = &bytes[..length];
                let mut cursor = Cursor::new(bytes);
                let expected = match FrameHeader::parse(&mut cursor) {
                    Ok(None) => Front::Unknown,
                    Ok(Some((frame, payload)))
                        if frame.is_final && frame.mask.is_none() && !reserved(&frame) =>
                    {
                        match frame.opcode {
                            OpCode::Data(Data::Text) => Front::message(MessageKind::Text, &cursor, payload),
                            OpCode::Data(Data::Binary) => {
                                Front::message(MessageKind::Binary, &cursor, payload)
                            }
                            _ => Front::Other,
                        }
                    }
                    Ok(Some(_)) | Err(_) => Front::Other,
                };
                assert_eq!(Front::of(bytes), expected, "{bytes:x?}");
            }
        }
    }

    fn reserved(frame: &FrameHeader) -> bool {
        frame.rsv1 || frame.rsv2 || frame.rsv3
    }

    impl Front {
        fn message(kind: MessageKind, cursor: &Cursor<&[u8]>, payload: u64) -> Self {
            Self::Message { kind, header: cursor.position() as usize, payload }
        }
    }
}
