//! The client that runs on a thread of its own and speaks through channels.

use std::{collections::HashMap, thread};

use crossbeam_channel::Receiver;

use crate::{
    channel::{ChannelHandler, Channels, ControlSender, ReceivedEvent, channels},
    connect::{Canceller, UpgradeResponse},
    error::{Error, Result},
    event::{CloseFrame, ControlMessage},
    event_signal::EventSignal,
    options::NonBlockingOptions,
    run::run,
    session::Session,
    socket::S9Socket,
};

/// Stack of a client's thread. Its deepest call is a TLS read under tungstenite, with tracing: some
/// 30 KiB; listeners of an `EventSignal` run on it too.
const STACK_SIZE: usize = 256 << 10;

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
    signal: EventSignal,
    response: UpgradeResponse,
    /// Until the thread takes it.
    idle: Option<(Session, ChannelHandler)>,
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
        let (mut session, mut handler) =
            self.idle.take().ok_or(Error::SocketUnavailable("the client's thread has it already"))?;
        let affinity = session.options().cpu_affinity;
        session.set_non_blocking()?;
        session.lift_buffer_limit();
        handler.set_waker(session.waker()?);
        let end = EndOfThread(self.signal.clone());
        let builder = thread::Builder::new().name("s9-websocket".into()).stack_size(STACK_SIZE);
        builder
            .spawn(move || {
                if let Some(processor) = affinity {
                    pin_to(processor);
                }
                run(&mut session, &mut handler);
                drop((session, handler));
                drop(end);
            })
            .map_err(|error| Error::io("starting the client's thread", error))
    }

    /// The socket, until [`run`](Self::run) moves it to the thread.
    pub fn socket(&self) -> Option<S9Socket> {
        self.idle.as_ref().map(|(session, _)| session.socket())
    }

    /// What the server answered to the upgrade.
    pub fn response(&self) -> &UpgradeResponse {
        &self.response
    }

    /// Bytes accepted for sending and not yet taken by the kernel.
    pub fn buffered_amount(&self) -> usize {
        self.control_tx.buffered_amount()
    }

    /// Tells event loops of another kind that events wait in `event_rx`.
    pub fn event_signal(&self) -> EventSignal {
        self.signal.clone()
    }
}

impl From<Session> for S9AsyncNonBlockingWebSocketClient {
    /// Gives any session channels, to be run on a thread.
    fn from(mut session: Session) -> Self {
        session.uncork_all();
        let options = session.options();
        let Channels { control_tx, event_rx, signal, handler } =
            channels(options.event_capacity, options.max_buffered_amount);
        let response = session.response().clone();
        Self { control_tx, event_rx, signal, response, idle: Some((session, handler)) }
    }
}

impl Drop for S9AsyncNonBlockingWebSocketClient {
    fn drop(&mut self) {
        // A client that never ran closes as its session is dropped.
        if self.idle.is_none() && self.control_tx.is_open() {
            let goodbye = ControlMessage::Close(Some(CloseFrame::new(CloseFrame::NORMAL, "")));
            let _ = self.control_tx.send(goodbye);
        }
    }
}

/// Tells of the end of the thread, a panic's too.
struct EndOfThread(EventSignal);

impl Drop for EndOfThread {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn pin_to(processor: usize) {
    if !core_affinity::set_for_current(core_affinity::CoreId { id: processor }) {
        tracing::warn!(processor, "the client's thread could not be pinned");
    }
}
