//! The client that spins, or waits in a poller, on the caller's thread.

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
};

use crate::{
    connect::Canceller,
    error::Result,
    handler::S9WebSocketClientHandler,
    options::NonBlockingOptions,
    run::{Turn, run, turn},
    session::Session,
};

/// A client on the calling thread over a non-blocking socket: the lowest latency.
///
/// ```no_run
/// use bytes::Bytes;
/// use s9_websocket_core::{NonBlockingOptions, S9NonBlockingWebSocketClient, S9WebSocketClientHandler};
///
/// struct Printer;
///
/// impl S9WebSocketClientHandler<S9NonBlockingWebSocketClient> for Printer {
///     fn on_text_message(&mut self, client: &mut S9NonBlockingWebSocketClient, text: Bytes) {
///         println!("{}", String::from_utf8_lossy(&text));
///         client.close(None).expect("no code and no reason are valid");
///     }
/// }
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let mut client =
///     S9NonBlockingWebSocketClient::connect("wss://feed.example.com", NonBlockingOptions::new())?;
/// client.send_text_message("hello")?;
/// client.run(&mut Printer);
/// # Ok(())
/// # }
/// ```
pub struct S9NonBlockingWebSocketClient {
    session: Session,
}

impl S9NonBlockingWebSocketClient {
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
        let session = Session::connect_non_blocking(url, &headers, options, &Canceller::new())?;
        Ok(Self { session })
    }

    /// Runs the event loop until the connection has quit. Blocks the calling thread.
    ///
    /// Without a `spin_wait_duration` it uses one processor whole.
    pub fn run(&mut self, handler: &mut impl S9WebSocketClientHandler<Self>) {
        run(self, handler);
    }

    /// One turn of the loop, for people with a loop of their own; `false` once the connection has quit.
    pub fn poll(&mut self, handler: &mut impl S9WebSocketClientHandler<Self>) -> bool {
        turn(self, handler) != Turn::Ended
    }
}

impl Deref for S9NonBlockingWebSocketClient {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for S9NonBlockingWebSocketClient {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl AsMut<Session> for S9NonBlockingWebSocketClient {
    fn as_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
