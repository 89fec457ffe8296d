//! What the unread bytes begin with. Knows no buffer and no message.

use std::io::Cursor;

use tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, OpCode},
};

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

/// Whether these bytes, which begin with a frame, hold a whole message, or the end of one, ahead of any Close
/// frame.
pub(super) fn hold_message(mut bytes: &[u8]) -> bool {
    loop {
        let mut cursor = Cursor::new(bytes);
        let Ok(Some((frame, payload))) = FrameHeader::parse(&mut cursor) else { return false };
        let payload_and_behind = &bytes[cursor.position() as usize..];
        let length = usize::try_from(payload).unwrap_or(usize::MAX);
        let Some(behind) = payload_and_behind.get(length..) else { return false };
        match frame.opcode {
            OpCode::Data(_) if frame.is_final => return true,
            OpCode::Control(Control::Close) => return false,
            OpCode::Data(_) | OpCode::Control(_) => bytes = behind,
        }
    }
}

#[cfg(test)]
mod tests {
    use tungstenite::protocol::frame::coding::Data;

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

    #[test]
    fn a_message_is_found_behind_frames_that_are_none() {
        const TEXT: &[u8] = &[0x81, 1, b'x'];
        const LONG: &[u8] = &[0x82, 126, 0, 1, b'x'];
        const PING: &[u8] = &[0x89, 1, b'x'];
        const BEGUN: &[u8] = &[0x01, 1, b'x'];
        const GOES_ON: &[u8] = &[0x00, 0];
        const ENDED: &[u8] = &[0x80, 0];
        const CLOSE: &[u8] = &[0x88, 0];
        for (frames, expected) in [
            (&[][..], false),
            (&[TEXT][..], true),
            (&[LONG][..], true),
            (&[PING][..], false),
            (&[PING, PING, LONG][..], true),
            (&[BEGUN, PING, GOES_ON][..], false),
            (&[BEGUN, PING, GOES_ON, ENDED][..], true),
            (&[ENDED][..], true),
            (&[PING, CLOSE, TEXT][..], false),
        ] {
            let bytes = frames.concat();
            assert_eq!(hold_message(&bytes), expected, "{bytes:x?}");
            // A frame that is not whole is none.
            for length in 0..bytes.len() {
                let is_whole = expected && hold_message(&bytes[..length]);
                assert!(!is_whole, "{:x?}", &bytes[..length]);
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
