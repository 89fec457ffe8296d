//! The read side of a connection with permessage-deflate: follows the frames of the stream, remembers
//! which messages are compressed, and hides from the reader above that any are.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
};

use crate::event::MessageKind;

/// RFC 6455, section 5.2.
const RSV1: u8 = 0x40;
const OPCODE: u8 = 0x0f;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const MASKED: u8 = 0x80;
const MASK_LENGTH: u64 = 4;

/// A stream whose reads are followed where compression was agreed on, and plain where not.
pub(crate) struct Inbound<S> {
    stream: S,
    follower: Option<Box<Follower>>,
}

impl<S> Inbound<S> {
    /// Hands everything through.
    pub(crate) fn plain(stream: S) -> Self {
        Self { stream, follower: None }
    }

    /// Follows everything, beginning with the bytes in `tail`, which were read from `stream` before.
    pub(crate) fn following(stream: S, tail: &mut [u8]) -> Self {
        let mut follower = Box::<Follower>::default();
        follower.follow(tail);
        Self { stream, follower: Some(follower) }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    pub(crate) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// To be called once for each text or binary message that was read: what it is once inflated, if
    /// it came compressed.
    pub(crate) fn next_message(&mut self) -> Option<MessageKind> {
        self.follower.as_mut()?.messages.pop_front()?
    }
}

impl<S: Read> Read for Inbound<S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(into)?;
        if let Some(follower) = &mut self.follower {
            follower.follow(&mut into[..count]);
        }
        Ok(count)
    }
}

impl<S: Write> Write for Inbound<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Follows frames over any chunking.
///
/// Only the first byte of a frame is ever changed: on the first frame of a compressed message RSV1
/// is cleared, and text becomes binary because its payload is no UTF-8. RSV1 anywhere else is left
/// for the reader above to refuse, as is every other violation.
#[derive(Default)]
struct Follower {
    awaited: Awaited,
    /// The messages begun and not yet asked for. A reader that asks for more bytes only when it has
    /// no whole frame left keeps this below its read buffer's size, a byte a message.
    messages: VecDeque<Option<MessageKind>>,
}

/// Which byte of a frame comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaited {
    #[default]
    First,
    Second,
    Length {
        /// Bytes of the extended length still to come.
        left: u8,
        length: u64,
        masked: bool,
    },
    /// This many bytes of mask and payload.
    Payload(u64),
}

impl Awaited {
    /// After the header. A server does not mask; the reader above refuses one that does.
    fn payload(length: u64, masked: bool) -> Self {
        match length.saturating_add(if masked { MASK_LENGTH } else { 0 }) {
            0 => Self::First,
            bytes => Self::Payload(bytes),
        }
    }
}

impl Follower {
    fn follow(&mut self, bytes: &mut [u8]) {
        let mut index = 0;
        while index < bytes.len() {
            self.awaited = match self.awaited {
                Awaited::Payload(left) => {
                    let here = left.min((bytes.len() - index) as u64);
                    index += here as usize;
                    if here == left { Awaited::First } else { Awaited::Payload(left - here) }
                }
                header => {
                    index += 1;
                    self.follow_header(header, &mut bytes[index - 1])
                }
            };
        }
    }

    fn follow_header(&mut self, awaited: Awaited, byte: &mut u8) -> Awaited {
        match awaited {
            Awaited::Second => match (*byte & !MASKED, *byte & MASKED != 0) {
                (126, masked) => Awaited::Length { left: 2, length: 0, masked },
                (127, masked) => Awaited::Length { left: 8, length: 0, masked },
                (length, masked) => Awaited::payload(length.into(), masked),
            },
            Awaited::Length { left, length, masked } => {
                let length = length << 8 | u64::from(*byte);
                match left - 1 {
                    0 => Awaited::payload(length, masked),
                    left => Awaited::Length { left, length, masked },
                }
            }
            Awaited::First | Awaited::Payload(_) => {
                self.begin_frame(byte);
                Awaited::Second
            }
        }
    }

    fn begin_frame(&mut self, first: &mut u8) {
        let kind = match *first & OPCODE {
            TEXT => MessageKind::Text,
            BINARY => MessageKind::Binary,
            // A continuation or control frame.
            _ => return,
        };
        if *first & RSV1 == 0 {
            self.messages.push_back(None);
        } else {
            self.messages.push_back(Some(kind));
            *first = *first & !(RSV1 | OPCODE) | BINARY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIN: u8 = 0x80;
    const CONTINUATION: u8 = 0;
    const CLOSE: u8 = 8;
    const PING: u8 = 9;

    /// A server's frame with this first byte.
    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload {
            0..=125 => bytes.push(payload as u8),
            126..=0xffff => {
                bytes.push(126);
                bytes.extend((payload as u16).to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend((payload as u64).to_be_bytes());
            }
        }
        // Payload that looks like the first byte of a compressed frame.
        bytes.resize(bytes.len() + payload, FIN | RSV1 | TEXT);
        bytes
    }

    /// What a reader gets of `bytes` in chunks of these sizes, and what it is told of the messages.
    fn followed(bytes: &[u8], chunks: &[usize]) -> (Vec<u8>, Vec<Option<MessageKind>>) {
        let mut follower = Follower::default();
        let mut bytes = bytes.to_vec();
        let (mut start, mut turn) = (0, 0);
        while start < bytes.len() {
            let end = bytes.len().min(start.saturating_add(chunks[turn % chunks.len()]));
            follower.follow(&mut bytes[start..end]);
            (start, turn) = (end, turn + 1);
        }
        assert_eq!(follower.awaited, Awaited::First, "the stream ends between frames");
        (bytes, follower.messages.into())
    }

    #[test]
    fn first_bytes_of_compressed_messages_are_rewritten_over_any_chunking() {
        use MessageKind::{Binary, Text};
        let frames = |text: u8, binary: u8, first_of_three: u8| {
            [
                frame(text, 5),
                frame(FIN | TEXT, 0),
                frame(FIN | PING, 125),
                frame(binary, 126),
                frame(first_of_three, 70_000),
                frame(FIN | PING, 0),
                frame(CONTINUATION, 0),
                frame(FIN | CONTINUATION, 300),
                frame(FIN | BINARY, 1),
                frame(FIN | CLOSE, 2),
            ]
            .concat()
        };
        let sent = frames(FIN | RSV1 | TEXT, FIN | RSV1 | BINARY, RSV1 | TEXT);
        let expected = frames(FIN | BINARY, FIN | BINARY, BINARY);
        let messages = [Some(Text), None, Some(Binary), Some(Text), None];
        for chunks in [&[usize::MAX][..], &[1], &[2], &[3, 1, 7], &[4096]] {
            let (bytes, told) = followed(&sent, chunks);
            assert!(bytes == expected, "in chunks of {chunks:?}");
            assert_eq!(told, messages);
        }
        let head = sent.len().min(600);
        for cut in 1..head {
            let (bytes, told) = followed(&sent, &[cut, usize::MAX]);
            assert!(bytes == expected, "cut at {cut}");
            assert_eq!(told, messages);
        }
    }

    #[test]
    fn rsv1_on_continuations_and_control_frames_and_other_reserved_bits_stay() {
        for first in [
            RSV1 | CONTINUATION,
            FIN | RSV1 | CONTINUATION,
            FIN | RSV1 | PING,
            FIN | RSV1 | CLOSE,
            FIN | RSV1 | 3,
            FIN | RSV1 | 0xb,
        ] {
            let sent = frame(first, 3);
            assert_eq!(followed(&sent, &[1]), (sent, vec![]), "{first:#x}");
        }
        let others = 0x30;
        let (bytes, told) = followed(&frame(FIN | RSV1 | others | TEXT, 3), &[9]);
        assert_eq!((bytes[0], told.len()), (FIN | others | BINARY, 1));
    }

    #[test]
    fn a_masked_frame_and_a_length_beyond_all_sense_are_followed() {
        let mut masked = frame(FIN | TEXT, 5);
        masked[1] |= MASKED;
        // Four bytes more: the mask.
        masked.extend([FIN | RSV1 | TEXT; 4]);
        masked.extend(frame(FIN | RSV1 | TEXT, 0));
        let (bytes, told) = followed(&masked, &[3]);
        assert_eq!(bytes[bytes.len() - 2], FIN | BINARY);
        assert_eq!(told, [None, Some(MessageKind::Text)]);

        let mut follower = Follower::default();
        let mut endless = [&[FIN | BINARY, MASKED | 127][..], &[0xff; 8], &[FIN | RSV1 | TEXT; 64]].concat();
        follower.follow(&mut endless);
        assert!(endless.ends_with(&[FIN | RSV1 | TEXT]));
        assert!(matches!(follower.awaited, Awaited::Payload(left) if left == u64::MAX - 64));
    }
}
