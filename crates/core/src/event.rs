//! What a connection tells and what it is told: events, close frames, control messages.

use bytes::Bytes;

use crate::error::Error;

/// Something that happened on a connection.
///
/// [`Activated`](Self::Activated) comes once before everything, [`Quit`](Self::Quit) exactly once
/// after everything.
///
/// ```
/// use s9_websocket_core::WebSocketEvent;
///
/// fn describe(event: &WebSocketEvent) -> String {
///     match event {
///         WebSocketEvent::TextMessage(text) => String::from_utf8_lossy(text).into_owned(),
///         WebSocketEvent::ConnectionClosed(frame) => format!("closed with {}", frame.code),
///         other => format!("{other:?}"),
///     }
/// }
/// assert_eq!(describe(&WebSocketEvent::TextMessage("hi".into())), "hi");
/// ```
#[derive(Debug)]
pub enum WebSocketEvent {
    /// The loop runs and messages will follow.
    Activated,
    /// A text message; the bytes are valid UTF-8.
    TextMessage(Bytes),
    /// A binary message.
    BinaryMessage(Bytes),
    /// A ping of the peer; its pong is sent without any doing of yours (RFC 6455, section 5.5.2).
    Ping(Bytes),
    /// A pong of the peer.
    Pong(Bytes),
    /// The closing handshake ended; [`Quit`](Self::Quit) follows.
    ConnectionClosed(CloseFrame),
    /// The connection failed; [`Quit`](Self::Quit) follows.
    Error(Error),
    /// Nothing comes after this.
    Quit,
}

impl WebSocketEvent {
    /// A message of this kind; text has to be valid UTF-8, which is not checked.
    pub fn message(kind: MessageKind, payload: Bytes) -> Self {
        match kind {
            MessageKind::Text => Self::TextMessage(payload),
            MessageKind::Binary => Self::BinaryMessage(payload),
        }
    }

    /// Bytes of its payload, for the bound on what waits.
    pub(crate) fn payload_size(&self) -> usize {
        match self {
            Self::TextMessage(data) | Self::BinaryMessage(data) | Self::Ping(data) | Self::Pong(data) => {
                data.len()
            }
            Self::ConnectionClosed(frame) => frame.reason.len(),
            Self::Activated | Self::Error(_) | Self::Quit => 0,
        }
    }
}

/// The two kinds of message (RFC 6455, section 5.6).
///
/// ```
/// use s9_websocket_core::MessageKind;
/// assert_ne!(MessageKind::Text, MessageKind::Binary);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Its bytes are valid UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// Code and reason of a Close frame (RFC 6455, section 5.5.1).
///
/// ```
/// use s9_websocket_core::CloseFrame;
///
/// let frame = CloseFrame::new(1000, "done");
/// assert_eq!((frame.code, frame.reason.as_str()), (1000, "done"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// Close code (RFC 6455, section 7.4).
    pub code: u16,
    /// Reason; at most 123 bytes of UTF-8, often empty.
    pub reason: String,
}

impl CloseFrame {
    /// Code of a normal closure.
    pub const NORMAL: u16 = 1000;
    /// Code reported when the peer's Close frame carried none; never on the wire.
    pub const NO_STATUS: u16 = 1005;
    /// Code reported when the stream ended without the peer's Close frame; never on the wire.
    pub const ABNORMAL: u16 = 1006;

    /// A frame with this code and reason, not checked until it is sent.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// Whether the peer's Close frame was received.
    pub fn was_received(&self) -> bool {
        self.code != Self::ABNORMAL
    }
}

/// A command to a connection that runs on another thread.
///
/// ```
/// use s9_websocket_core::{CloseFrame, ControlMessage};
///
/// let greeting = ControlMessage::SendText("hello".into());
/// let end = ControlMessage::Close(Some(CloseFrame::new(1000, "done")));
/// assert_ne!(greeting, end);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlMessage {
    /// Send a text message.
    SendText(String),
    /// Send a binary message.
    SendBinary(Bytes),
    /// Send a text message uncompressed even where compression was agreed on.
    SendTextUncompressed(String),
    /// Send a binary message uncompressed even where compression was agreed on.
    SendBinaryUncompressed(Bytes),
    /// Send a ping of at most 125 bytes.
    SendPing(Bytes),
    /// Send a pong of at most 125 bytes.
    SendPong(Bytes),
    /// Start the closing handshake; `None` sends code 1000.
    Close(Option<CloseFrame>),
    /// End at once, without a Close frame.
    ForceQuit,
}

impl ControlMessage {
    /// Bytes of its payload, for the bound on what is unsent.
    pub(crate) fn payload_size(&self) -> usize {
        match self {
            Self::SendText(text) | Self::SendTextUncompressed(text) => text.len(),
            Self::SendBinary(data)
            | Self::SendBinaryUncompressed(data)
            | Self::SendPing(data)
            | Self::SendPong(data) => data.len(),
            Self::Close(_) | Self::ForceQuit => 0,
        }
    }
}
