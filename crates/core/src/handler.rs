//! The callbacks of a client that calls back.

use std::time::Instant;

use bytes::Bytes;

use crate::{
    error::Error,
    event::{CloseFrame, MessageKind, WebSocketEvent},
};

/// What happens on a connection, told by callbacks on the thread that runs the loop.
///
/// Every method does nothing by default. Each is given the client, whose methods may all be called
/// from all of them.
///
/// ```
/// use bytes::Bytes;
/// use s9_websocket_core::{S9NonBlockingWebSocketClient, S9WebSocketClientHandler};
///
/// struct Recorder {
///     seen: usize,
/// }
///
/// impl S9WebSocketClientHandler<S9NonBlockingWebSocketClient> for Recorder {
///     fn on_text_message(&mut self, client: &mut S9NonBlockingWebSocketClient, _text: Bytes) {
///         self.seen += 1;
///         if self.seen == 1_000 {
///             client.close(None).expect("no code and no reason are valid");
///         }
///     }
/// }
/// ```
pub trait S9WebSocketClientHandler<C> {
    /// Once, before everything else.
    fn on_activated(&mut self, client: &mut C) {
        let _ = client;
    }

    /// Before each turn's read.
    fn on_poll(&mut self, client: &mut C) {
        let _ = client;
    }

    /// After each turn that brought nothing.
    fn on_idle(&mut self, client: &mut C) {
        let _ = client;
    }

    /// A text message; the bytes are valid UTF-8.
    fn on_text_message(&mut self, client: &mut C, text: Bytes) {
        let _ = (client, text);
    }

    /// A binary message.
    fn on_binary_message(&mut self, client: &mut C, data: Bytes) {
        let _ = (client, data);
    }

    /// A ping of the peer. Its pong is on its way, behind what the kernel has not taken yet; after our
    /// Close there is none.
    fn on_ping(&mut self, client: &mut C, data: Bytes) {
        let _ = (client, data);
    }

    /// A pong of the peer.
    fn on_pong(&mut self, client: &mut C, data: Bytes) {
        let _ = (client, data);
    }

    /// The closing handshake ended; [`on_quit`](Self::on_quit) follows.
    fn on_connection_closed(&mut self, client: &mut C, frame: CloseFrame) {
        let _ = (client, frame);
    }

    /// The connection failed; [`on_quit`](Self::on_quit) follows.
    fn on_error(&mut self, client: &mut C, error: Error) {
        let _ = (client, error);
    }

    /// Once, after everything else.
    fn on_quit(&mut self, client: &mut C) {
        let _ = client;
    }

    /// Every event; unless overridden, calls the method above that is named after it.
    fn on_event(&mut self, client: &mut C, event: WebSocketEvent) {
        match event {
            WebSocketEvent::Activated => self.on_activated(client),
            WebSocketEvent::TextMessage(text) => self.on_text_message(client, text),
            WebSocketEvent::BinaryMessage(data) => self.on_binary_message(client, data),
            WebSocketEvent::Ping(data) => self.on_ping(client, data),
            WebSocketEvent::Pong(data) => self.on_pong(client, data),
            WebSocketEvent::ConnectionClosed(frame) => self.on_connection_closed(client, frame),
            WebSocketEvent::Error(error) => self.on_error(client, error),
            WebSocketEvent::Quit => self.on_quit(client),
        }
    }

    /// Whether an event can be taken now. While it says no, the socket is read no further, so that
    /// the peer feels back-pressure.
    fn has_room(&mut self) -> bool {
        true
    }

    /// Whether what [`on_event`](Self::on_event) is given is acted on after the turn only. The end of the
    /// connection then gets a turn of its own, so that the messages before it can still be answered.
    fn acts_later(&self) -> bool {
        false
    }

    /// Whether messages are offered to [`copy_message`](Self::copy_message) before [`on_event`](Self::on_event)
    /// is given them. Not all are: the first of a read is not, nor what comes in fragments or compressed.
    fn copies_messages(&self) -> bool {
        false
    }

    /// Copies a message whose bytes, read at `at`, are good for this call only; whether it did. If not,
    /// [`on_event`](Self::on_event) is given it next.
    ///
    /// For a handler that stores what it is given and acts on it after the turn: a payload of its own costs more
    /// than a copy of a few hundred bytes does.
    fn copy_message(&mut self, kind: MessageKind, payload: &[u8], at: Instant) -> bool {
        let _ = (kind, payload, at);
        false
    }

    /// Whether the next turn has something to do for the handler, so that the loop must not wait
    /// for the socket first. Asked right before each wait.
    fn has_work(&mut self) -> bool {
        false
    }
}
