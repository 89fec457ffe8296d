//! The client that runs on a thread of its own and speaks through channels.

use std::{collections::HashMap, thread};

use crossbeam_channel::Receiver;

use crate::{
    channel::ControlSender,
    connect::{Canceller, UpgradeResponse},
    error::Result,
    event_signal::EventSignal,
    event_sink::{ChannelSink, ReceivedEvent},
    options::NonBlockingOptions,
    session::Session,
    socket::S9Socket,
    threaded_session::ThreadedSession,
};

/// A client on a thread of its own, reached through channels from any thread.
///
/// Dropping it closes the connection with code 1000 and ends the thread.
///
/// ```no_run
/// use s9_websocket_core::{
///     ControlMessage, NonBlockingOptions, S9AsyncNonBlockingWebSocketClient, WebSocketEvent,
/// };
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let options = NonBlockingOptions::new();
/// let mut client = S9AsyncNonBlockingWebSocketClient::connect("wss://feed.example.com", options)?;
/// let thread = client.run()?;
/// client.control_tx.send(ControlMessage::SendText("hello".into()))?;
/// for received in &client.event_rx {
///     match received.event {
///         WebSocketEvent::TextMessage(text) => {
///             println!("{}", String::from_utf8_lossy(&text));
///             client.control_tx.send(ControlMessage::Close(None))?;
///         }
///         WebSocketEvent::Quit => break,
///         _ => {}
///     }
/// }
/// thread.join().expect("the thread does not panic");
/// # Ok(())
/// # }
/// ```
pub struct S9AsyncNonBlockingWebSocketClient {
    /// Commands to the connection; may be cloned and used on any thread.
    pub control_tx: ControlSender,
    /// Events of the connection; may be cloned and used on any thread.
    pub event_rx: Receiver<ReceivedEvent>,
    threaded: ThreadedSession<ChannelSink>,
}

impl S9AsyncNonBlockingWebSocketClient {
    /// Connects to a `ws://` or `wss://` URL. Blocks until connected, refused, or past the deadline.
    pub fn connect(url: &str, options: NonBlockingOptions) -> Result<Self> {
        Self::connect_with_headers(url, &HashMap::new(), options)
    }

    /// Connects with header fields of your own in the upgrade request.
    pub fn connect_with_headers(
        url: &str,
        headers: &HashMap<String, String>,
        options: NonBlockingOptions,
    ) -> Result<Self> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Session::connect_non_blocking(url, &headers, options, &Canceller::new()).map(Self::from)
    }

    /// Starts the thread. Returns at once; a second call fails with `SocketUnavailable`.
    ///
    /// The thread waits for the socket and for commands together, or spins.
    pub fn run(&mut self) -> Result<thread::JoinHandle<()>> {
        self.threaded.run()
    }

    /// The socket, until [`run`](Self::run) moves it to the thread.
    pub fn socket(&self) -> Option<S9Socket> {
        self.threaded.socket()
    }

    /// What the server answered to the upgrade.
    pub fn response(&self) -> &UpgradeResponse {
        self.threaded.response()
    }

    /// Bytes accepted for sending and not yet taken by the kernel.
    pub fn buffered_amount(&self) -> usize {
        self.control_tx.buffered_amount()
    }

    /// Tells event loops of another kind that events wait in `event_rx`.
    pub fn event_signal(&self) -> EventSignal {
        self.threaded.event_signal()
    }
}

impl From<Session> for S9AsyncNonBlockingWebSocketClient {
    /// Gives any session channels, to be run on a thread.
    fn from(session: Session) -> Self {
        let (events, event_rx) = crossbeam_channel::unbounded();
        let (capacity, bytes) = (session.event_capacity(), session.event_capacity_bytes());
        let sink = ChannelSink::new(events, capacity, bytes);
        let threaded = ThreadedSession::new(session, sink);
        Self { control_tx: threaded.control().clone(), event_rx, threaded }
    }
}
