//! Reading messages: a text or binary message that is one whole frame is taken from the buffer that it was
//! read into, without a copy. All else, fragments, control frames, violations, is tungstenite's, which is
//! given the bytes of one frame at a time. Knows no state of the connection.
//!
//! Text is refused as soon as what has come of it begins no UTF-8, in a frame that is not whole too, unless
//! that frame is to be refused for what its header says.

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

use super::{
    frame_buffer::{self, FrameBuffer, LARGE},
    front::{Front, hold_message},
    partial_text::{PartialText, whole_characters},
};
use crate::event::MessageKind;

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
    /// How many of its bytes, with the header, are known to begin valid text; 0 before that is looked at.
    checked: usize,
    /// There while a frame or message of its own is under way, and once the stream has ended or was
    /// violated.
    context: Option<Box<WebSocketContext>>,
    /// How many bytes from the front on are the context's.
    foreign: u64,
    /// How many of them lie ahead of text that is still to be checked; none where it is not.
    ahead_of_text: Option<usize>,
    /// The text message that is the context's, as far as it has come.
    text: Option<PartialText>,
    /// What that message comes to, with all of the frame at the front.
    text_size: u64,
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
            checked: 0,
            context: None,
            foreign: 0,
            ahead_of_text: None,
            text: None,
            text_size: 0,
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

    /// Whether a message has come whole that has not been given out.
    pub(super) fn holds_message(&self) -> bool {
        // What is the context's own is read from the buffer to its last byte before anything is given out.
        self.buffer.as_ref().is_some_and(|buffer| hold_message(buffer.unread()))
    }

    /// Takes a message that is one frame and has been read whole. Where there is none,
    /// [`advance`](Self::advance) goes on.
    #[inline]
    pub(super) fn take_message(&mut self) -> Option<(MessageKind, Bytes)> {
        let (kind, header) = self.whole_message()?;
        let buffer = self.buffer.as_mut()?;
        buffer.skip(header);
        let payload = buffer.split(self.whole - header);
        self.whole = 0;
        self.give_back_if_empty();
        Some((kind, payload))
    }

    /// Offers such messages where they are, until one is not taken; how many were.
    pub(super) fn offer_messages(&mut self, mut take: impl FnMut(MessageKind, &[u8]) -> bool) -> usize {
        let mut taken = 0;
        while let Some((kind, header)) = self.whole_message()
            && let Some(buffer) = &mut self.buffer
        {
            if !take(kind, &buffer.unread()[header..self.whole]) {
                // Its text is not checked once more.
                self.checked = self.whole;
                break;
            }
            buffer.skip(self.whole);
            self.whole = 0;
            taken += 1;
        }
        self.give_back_if_empty();
        taken
    }

    /// How much of a message of which a part was there before is known to begin valid text; `None` while it is
    /// not whole.
    #[cold]
    fn checked_of_begun(&mut self) -> Option<usize> {
        let is_whole = self.buffer.as_ref()?.unread().len() >= self.whole;
        is_whole.then(|| std::mem::take(&mut self.checked))
    }

    /// The kind of the message at the front and the length of its header, where it is one frame and whole:
    /// `self.whole` bytes, and text if it says so.
    #[inline(always)]
    fn whole_message(&mut self) -> Option<(MessageKind, usize)> {
        if self.foreign > 0 {
            return None;
        }
        let checked = if self.whole > 0 { self.checked_of_begun()? } else { 0 };
        let unread = self.buffer.as_ref()?.unread();
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
            Front::Message { .. } | Front::Other => {
                self.pass_on();
                return None;
            }
        };
        self.whole = header + payload;
        let bytes = unread.get(header.max(checked)..self.whole)?;
        if kind == MessageKind::Text && simdutf8::basic::from_utf8(bytes).is_err() {
            self.pass_on();
            return None;
        }
        Some((kind, header))
    }

    /// Has tungstenite read what is its own at the front, or reads the stream where that brings nothing;
    /// tungstenite's message, if there is one. What was read may be a message to [take](Self::take_message).
    #[cold]
    pub(super) fn advance<S: Read>(&mut self, stream: &mut S) -> Result<Option<Message>, Error> {
        if self.foreign > 0 {
            self.check_foreign()?;
            match self.read_foreign() {
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.foreign == 0 {
                        return Ok(None);
                    }
                }
                read => return read.map(Some),
            }
        }
        if self.whole > 0 {
            self.check_part()?;
        }
        self.fill(stream)?;
        Ok(None)
    }

    /// Checks what has come of a text message that is to be taken from the buffer.
    fn check_part(&mut self) -> Result<(), Error> {
        let unread = self.buffer.as_ref().map_or(&[][..], FrameBuffer::unread);
        if let Front::Message { kind: MessageKind::Text, header, .. } = Front::of(unread) {
            let start = header.max(self.checked);
            let Some(length) = whole_characters(&unread[start..]) else { return self.refuse_text() };
            self.checked = start + length;
        }
        Ok(())
    }

    /// Checks text on its way to the context, which does so with whole frames.
    fn check_foreign(&mut self) -> Result<(), Error> {
        let (Some(start), Some(text), Some(buffer)) = (self.ahead_of_text, &mut self.text, &self.buffer)
        else {
            return Ok(());
        };
        let unread = buffer.unread();
        let end = usize::try_from(self.foreign).map_or(unread.len(), |foreign| foreign.min(unread.len()));
        // The context reads all of it.
        self.ahead_of_text = Some(0);
        if text.goes_on_with(&unread[start..end]) { Ok(()) } else { self.refuse_text() }
    }

    fn refuse_text(&mut self) -> Result<(), Error> {
        (self.whole, self.foreign, self.ahead_of_text) = (0, ALL, None);
        Err(Error::Utf8(String::new()))
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
    fn pass_on(&mut self) {
        let mut cursor = Cursor::new(self.buffer.as_ref().map_or(&[][..], FrameBuffer::unread));
        let parsed = FrameHeader::parse(&mut cursor);
        let header = cursor.position() as usize;
        (self.whole, self.foreign, self.ahead_of_text) = (0, ALL, None);
        if let Ok(Some((frame, payload))) = parsed {
            self.foreign = (header as u64).saturating_add(payload);
            if let OpCode::Data(kind) = frame.opcode {
                self.ahead_of_text = self.expects_text(kind, &frame, payload).then_some(header);
                self.is_fragmented = !frame.is_final;
            }
        }
        self.longest = self.longest.max(self.foreign);
    }

    /// Notes a frame passed on; whether it is part of a text message, and nothing but its payload can be wrong.
    fn expects_text(&mut self, kind: Data, frame: &FrameHeader, payload: u64) -> bool {
        match kind {
            Data::Text if !self.is_fragmented => {
                (self.text, self.text_size) = (Some(PartialText::default()), 0)
            }
            Data::Continue if self.is_fragmented => {}
            _ => self.text = None,
        }
        self.text_size = self.text_size.saturating_add(payload);
        self.text.is_some()
            && is_plain(frame)
            && payload <= self.max_frame_size as u64
            && self.text_size <= self.max_message_size as u64
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

/// Whether a server's frame has neither reserved bits nor a mask.
fn is_plain(frame: &FrameHeader) -> bool {
    !(frame.rsv1 || frame.rsv2 || frame.rsv3) && frame.mask.is_none()
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
