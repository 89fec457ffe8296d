//! What an event is written as: a kind, a payload and a code. Knows no batch.

use bytes::Bytes;
use s9_websocket_core::{CloseFrame, Error, MessageKind, WebSocketEvent};

use crate::wide_text;

/// What a descriptor describes; the numbers are known to `src-ts`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Kind {
    Activated = 0,
    AsciiText = 1,
    Utf8Text = 2,
    Binary = 3,
    Ping = 4,
    Pong = 5,
    ConnectionClosed = 6,
    Error = 7,
    Quit = 8,
    TextBuffer = 9,
    WideText = 10,
}

impl Kind {
    /// Whether JavaScript may keep a view of the payload.
    pub(crate) fn is_viewed(self) -> bool {
        VIEWED.contains(&(self as u32))
    }

    /// What a message is written as.
    pub(crate) fn of_message(kind: MessageKind, payload: &[u8], text_as_buffer: bool) -> Self {
        match kind {
            MessageKind::Binary => Self::Binary,
            MessageKind::Text if text_as_buffer => Self::TextBuffer,
            MessageKind::Text if payload.is_ascii() => Self::AsciiText,
            MessageKind::Text if wide_text::is_wanted(payload.len()) => Self::WideText,
            MessageKind::Text => Self::Utf8Text,
        }
    }

    /// The payload of an event of this kind as text to be widened, if it is one.
    pub(crate) fn wide_text(self, payload: &[u8]) -> Option<&str> {
        // SAFETY: the core gives out as text only what it knows to be UTF-8.
        matches!(self, Self::WideText).then(|| unsafe { str::from_utf8_unchecked(payload) })
    }
}

/// The kinds of text and binary messages.
pub(crate) const MESSAGES: [u32; 5] = [
    Kind::AsciiText as u32,
    Kind::Utf8Text as u32,
    Kind::WideText as u32,
    Kind::TextBuffer as u32,
    Kind::Binary as u32,
];

/// The kinds of payloads that JavaScript may keep views of.
pub(crate) const VIEWED: [u32; 4] =
    [Kind::Binary as u32, Kind::Ping as u32, Kind::Pong as u32, Kind::TextBuffer as u32];

/// What an event is written as.
pub(crate) struct Parts {
    pub(crate) kind: Kind,
    /// As it was received: wide text is widened when it is written.
    pub(crate) payload: Bytes,
    pub(crate) code: u16,
    /// For which there is a place elsewhere.
    pub(crate) error: Option<Error>,
}

impl Parts {
    pub(crate) fn of(event: WebSocketEvent, text_as_buffer: bool) -> Self {
        let plain = |kind, payload| Self { kind, payload, code: 0, error: None };
        match event {
            WebSocketEvent::Activated => plain(Kind::Activated, Bytes::new()),
            WebSocketEvent::TextMessage(text) => {
                plain(Kind::of_message(MessageKind::Text, &text, text_as_buffer), text)
            }
            WebSocketEvent::BinaryMessage(data) => plain(Kind::Binary, data),
            WebSocketEvent::Ping(data) => plain(Kind::Ping, data),
            WebSocketEvent::Pong(data) => plain(Kind::Pong, data),
            WebSocketEvent::ConnectionClosed(CloseFrame { code, reason }) => {
                Self { code, ..plain(Kind::ConnectionClosed, reason.into()) }
            }
            WebSocketEvent::Error(error) => Self { error: Some(error), ..plain(Kind::Error, Bytes::new()) },
            WebSocketEvent::Quit => plain(Kind::Quit, Bytes::new()),
        }
    }
}
