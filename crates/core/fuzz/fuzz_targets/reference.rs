//! What a bare tungstenite makes of a server's stream, in the words of this crate's events; and what this
//! crate tells sooner.

use std::io::Cursor;

use s9_websocket_core::{CloseFrame, Limits, WebSocketEvent};
use tungstenite::{
    Error, Message, WebSocket,
    error::ProtocolError,
    protocol::{
        Role, WebSocketConfig,
        frame::{
            FrameHeader,
            coding::{Data, OpCode},
        },
    },
};

use crate::described::{Event, event};

/// An event but those that come with every connection.
pub(crate) fn event_of(given: &WebSocketEvent) -> Option<Event> {
    Some(match given {
        WebSocketEvent::Activated | WebSocketEvent::Quit => return None,
        WebSocketEvent::TextMessage(data) => event("text", data),
        WebSocketEvent::BinaryMessage(data) => event("binary", data),
        WebSocketEvent::Ping(data) => event("ping", data),
        WebSocketEvent::Pong(data) => event("pong", data),
        WebSocketEvent::ConnectionClosed(frame) => closed(frame.code, &frame.reason),
        WebSocketEvent::Error(error) => event(format!("error {}", error.code()), b""),
    })
}

fn closed(code: u16, reason: &str) -> Event {
    event(format!("closed {code}"), reason.as_bytes())
}

/// Everything up to the end, and how it ends.
pub(crate) fn events(bytes: &[u8], limits: &Limits) -> Vec<Event> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits.max_message_size))
        .max_frame_size(Some(limits.max_frame_size));
    let stream = Stream(Cursor::new(bytes));
    let mut websocket = WebSocket::from_raw_socket(stream, Role::Client, Some(config));
    let mut log = Vec::new();
    loop {
        log.push(match websocket.read() {
            Ok(Message::Text(text)) => event("text", text.as_bytes()),
            Ok(Message::Binary(data)) => event("binary", &data),
            Ok(Message::Ping(data)) => event("ping", &data),
            Ok(Message::Pong(data)) => event("pong", &data),
            Ok(Message::Frame(_)) => continue,
            Ok(Message::Close(frame)) => {
                log.push(end(frame.as_ref()));
                return log;
            }
            Err(error) => {
                let code = match error {
                    Error::Capacity(_) => "ERR_S9_MESSAGE_TOO_LARGE",
                    Error::Utf8(_) => "ERR_S9_INVALID_UTF8",
                    Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)
                        if ends_in_wrong_text(bytes, limits) =>
                    {
                        "ERR_S9_INVALID_UTF8"
                    }
                    Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                        "ERR_S9_CONNECTION_CLOSED"
                    }
                    _ => "ERR_S9_PROTOCOL",
                };
                log.push(event(format!("error {code}"), b""));
                return log;
            }
        });
    }
}

/// Whether these bytes, of which all whole frames are valid, end in part of a frame that can be wrong in
/// nothing but its text, and that begins no UTF-8.
fn ends_in_wrong_text(bytes: &[u8], limits: &Limits) -> bool {
    let mut cursor = Cursor::new(bytes);
    let (mut is_fragmented, mut text) = (false, None::<Vec<u8>>);
    while let Ok(Some((frame, length))) = FrameHeader::parse(&mut cursor) {
        let rest = &bytes[cursor.position() as usize..];
        let part = rest.get(..length as usize);
        if let OpCode::Data(kind) = frame.opcode {
            match kind {
                Data::Text if !is_fragmented => text = Some(Vec::new()),
                Data::Continue if is_fragmented => {}
                _ => text = None,
            }
            is_fragmented = !frame.is_final;
        }
        let Some(part) = part else {
            let Some(text) = text.filter(|_| matches!(frame.opcode, OpCode::Data(_))) else { return false };
            let is_plain = !(frame.rsv1 || frame.rsv2 || frame.rsv3) && frame.mask.is_none();
            let fits = (text.len() as u64).saturating_add(length) <= limits.max_message_size as u64;
            return is_plain && fits && begins_no_utf8(&[&text, rest].concat());
        };
        if let (Some(text), OpCode::Data(_)) = (&mut text, frame.opcode) {
            text.extend_from_slice(part);
        }
        cursor.set_position(cursor.position() + length);
    }
    false
}

fn begins_no_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some())
}

/// tungstenite gives out a code that nobody may send as 1002, as if the peer had said so.
fn end(frame: Option<&tungstenite::protocol::CloseFrame>) -> Event {
    match frame {
        None => closed(CloseFrame::NO_STATUS, ""),
        Some(frame) if u16::from(frame.code) == 1002 && frame.reason == "Protocol violation" => {
            event("error ERR_S9_PROTOCOL", b"")
        }
        Some(frame) => closed(frame.code.into(), &frame.reason),
    }
}

/// Takes every answer.
struct Stream<'a>(Cursor<&'a [u8]>);

impl std::io::Read for Stream<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl std::io::Write for Stream<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
