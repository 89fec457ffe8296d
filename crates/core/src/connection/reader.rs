//! Reading messages: a text or binary message that is one whole frame is taken from the buffer that it was
//! read into, without a copy. All else, fragments, control frames, violations, is tungstenite's, which is
//! given the bytes of one frame at a time. Knows no state of the connection.

use std::{
    cell::Cell,
    io::{self, Cursor, Read, Write},
};

use bytes::Bytes;
use tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{
        Role, WebSocketConfig, WebSocketContext,
        frame::{
            FrameHeader,
            coding::{Data, OpCode},
        },
    },
};

use super::frame_buffer::{self, FrameBuffer, LARGE};
use crate::deflate::MessageKind;

/// Of a server's frame (RFC 6455, section 5.2).
const LONGEST_HEADER: usize = 10;
/// tungstenite zero-fills up to this much before each read (#547).
const CONTEXT_BUFFER_SIZE: usize = 16 << 10;
/// A context that has held a longer frame has a buffer of that size, and is not kept.
const LONGEST_KEPT: u64 = 64 << 10;
/// All that follows is tungstenite's.
const ALL: u64 = u64::MAX;

thread_local! {
    static SPARE: Cell<Option<Box<WebSocketContext>>> = const { Cell::new(None) };
}

/// Reads a connection's messages and answers none: tungstenite's contexts believe that their own Close
/// frame is sent. So a peer's Close comes as it was sent (tungstenite would make an invalid code 1002, as
/// if the peer had said so).
pub(super) struct Reader {
    /// There while it holds unread bytes.
    buffer: Option<FrameBuffer>,
    /// The size of the frame at the front, once that is known; it is to be taken from the buffer.
    whole: usize,
    /// There while a frame or message of its own is under way, and once the stream has ended or was
    /// violated.
    context: Option<Box<WebSocketContext>>,
    /// How many bytes from the front on are the context's.
    foreign: u64,
    /// The longest frame the context was given.
    longest: u64,
    /// A message has begun of which more frames are to come.
    is_fragmented: bool,
    /// The stream had nothing when it was last read.
    is_dry: bool,
    /// Longer payloads go through tungstenite, whose buffer grows, or which refuses them.
    longest_whole: u64,
    max_message_size: usize,
    max_frame_size: usize,
}

impl Reader {
    /// Reads what begins with `tail`.
    pub(super) fn new(tail: &[u8], max_message_size: usize, max_frame_size: usize) -> Self {
        Self {
            buffer: (!tail.is_empty()).then(|| FrameBuffer::holding(tail)),
            whole: 0,
            context: None,
            foreign: 0,
            longest: 0,
            is_fragmented: false,
            is_dry: false,
            longest_whole: (LARGE - LONGEST_HEADER).min(max_message_size).min(max_frame_size) as u64,
            max_message_size,
            max_frame_size,
        }
    }

    /// Whether there is no message but for new bytes of the stream.
    pub(super) fn is_starved(&self) -> bool {
        self.is_dry || self.buffer.is_none()
    }

    /// Takes a message that is one frame and has been read whole. Where there is none,
    /// [`advance`](Self::advance) goes on.
    #[inline]
    pub(super) fn take_message(&mut self) -> Option<(MessageKind, Bytes)> {
        if self.foreign > 0 {
            return None;
        }
        let buffer = self.buffer.as_mut()?;
        let unread = buffer.unread();
        if unread.len() < self.whole {
            return None;
        }
        let (kind, header, payload) = match Front::of(unread) {
            Front::Unknown => {
                self.whole = unread.len() + 1;
                return None;
            }
            Front::Message { kind, header, payload }
                if payload <= self.longest_whole && !self.is_fragmented =>
            {
                (kind, header, payload as usize)
            }
            front => {
                self.pass_on(front);
                return None;
            }
        };
        self.whole = header + payload;
        let bytes = unread.get(header..self.whole)?;
        if kind == MessageKind::Text && simdutf8::basic::from_utf8(bytes).is_err() {
            self.pass_on(Front::Message { kind, header, payload: payload as u64 });
            return None;
        }
        buffer.skip(header);
        let payload = buffer.split(payload);
        self.whole = 0;
        self.give_back_if_empty();
        Some((kind, payload))
    }

    /// Has tungstenite read what is its own at the front, or reads the stream where that brings nothing;
    /// tungstenite's message, if there is one. What was read may be a message to [take](Self::take_message).
    #[cold]
    pub(super) fn advance<S: Read>(&mut self, stream: &mut S) -> Result<Option<Message>, Error> {
        if self.foreign > 0 {
            match self.read_foreign() {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.foreign == 0 {
                        return Ok(None);
                    }
                }
                read => return read.map(Some),
            }
        }
        self.fill(stream)?;
        Ok(None)
    }

    fn fill<S: Read>(&mut self, stream: &mut S) -> Result<(), Error> {
        let buffer = self.buffer.get_or_insert_with(FrameBuffer::take);
        let read = buffer.read(self.whole, stream);
        self.is_dry = read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        self.give_back_if_empty();
        match read? {
            0 => Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)),
            _ => Ok(()),
        }
    }

    fn give_back_if_empty(&mut self) {
        if let Some(buffer) = self.buffer.take_if(|buffer| buffer.is_empty()) {
            buffer.give_back();
        }
    }

    /// Leaves the frame at the front to tungstenite.
    #[cold]
    fn pass_on(&mut self, front: Front) {
        (self.whole, self.foreign) = (0, front.size());
        self.longest = self.longest.max(self.foreign);
        if let Front::Message { .. } | Front::Other { is_data: true, is_final: true, .. } = front {
            self.is_fragmented = false;
        } else if let Front::Other { is_data: true, .. } = front {
            self.is_fragmented = true;
        }
    }

    fn read_foreign(&mut self) -> Result<Message, Error> {
        let (message, frame) = (self.max_message_size, self.max_frame_size);
        let context = self.context.get_or_insert_with(|| spare(message, frame));
        let read = context.read(&mut Foreign { buffer: self.buffer.as_mut(), left: &mut self.foreign });
        self.give_back_if_empty();
        match &read {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            // RFC 6455, section 1.4: after these the peer has nothing to say.
            Ok(Message::Close(_)) | Err(_) => self.foreign = ALL,
            Ok(_) => {}
        }
        if self.foreign == 0 && !self.is_fragmented {
            self.give_back_context();
        }
        read
    }

    fn give_back_context(&mut self) {
        let context = self.context.take();
        if std::mem::take(&mut self.longest) <= LONGEST_KEPT {
            let _ = SPARE.try_with(|spare| spare.set(context));
        }
    }
}

/// What begins with the first of the unread bytes.
enum Front {
    /// Not the whole header of a frame.
    Unknown,
    /// A message in one frame, but for what its payload may be.
    Message { kind: MessageKind, header: usize, payload: u64 },
    /// Another frame.
    Other { size: u64, is_data: bool, is_final: bool },
}

impl Front {
    #[inline]
    fn of(bytes: &[u8]) -> Self {
        let mut cursor = Cursor::new(bytes);
        let (frame, payload) = match FrameHeader::parse(&mut cursor) {
            Ok(Some(parsed)) => parsed,
            Ok(None) => return Self::Unknown,
            Err(_) => return Self::Other { size: ALL, is_data: false, is_final: true },
        };
        let is_plain = frame.is_final && !(frame.rsv1 || frame.rsv2 || frame.rsv3) && frame.mask.is_none();
        let header = cursor.position();
        match frame.opcode {
            OpCode::Data(Data::Text) if is_plain => {
                Self::Message { kind: MessageKind::Text, header: header as usize, payload }
            }
            OpCode::Data(Data::Binary) if is_plain => {
                Self::Message { kind: MessageKind::Binary, header: header as usize, payload }
            }
            opcode => Self::Other {
                size: header.saturating_add(payload),
                is_data: matches!(opcode, OpCode::Data(_)),
                is_final: frame.is_final,
            },
        }
    }

    fn size(&self) -> u64 {
        match *self {
            Self::Unknown => 0,
            Self::Message { header, payload, .. } => (header as u64).saturating_add(payload),
            Self::Other { size, .. } => size,
        }
    }
}

/// The thread's own context, or a new one: it takes every frame for one that comes after its own Close, and
/// answers nothing.
fn spare(max_message_size: usize, max_frame_size: usize) -> Box<WebSocketContext> {
    // Fails only while the thread ends.
    let mut context = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_else(|| {
        let config = WebSocketConfig::default().read_buffer_size(CONTEXT_BUFFER_SIZE);
        let mut context = Box::new(WebSocketContext::new(Role::Client, Some(config)));
        let closed = context.close(&mut Foreign { buffer: None, left: &mut 0 }, None);
        debug_assert!(closed.is_ok(), "{closed:?}");
        context
    });
    context.set_config(|config| {
        config.max_message_size = Some(max_message_size);
        config.max_frame_size = Some(max_frame_size);
    });
    context
}

/// Frees what this thread keeps for its next message.
pub(super) fn release_spare() {
    drop(SPARE.try_with(Cell::take));
    frame_buffer::release_spare();
}

/// What a context sees of the stream: what has been read of the bytes that are its own.
struct Foreign<'a> {
    buffer: Option<&'a mut FrameBuffer>,
    left: &'a mut u64,
}

impl Read for Foreign<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(*self.left).unwrap_or(usize::MAX).min(into.len());
        let count = self.buffer.as_mut().map_or(0, |buffer| buffer.move_to(&mut into[..most]));
        *self.left -= count as u64;
        if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }
}

/// A context wants a stream that takes its answers. It has none.
impl Write for Foreign<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
