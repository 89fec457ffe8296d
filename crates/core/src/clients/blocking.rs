//! The client whose reads block the caller's thread.

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
};

use crate::{
    connect::Canceller,
    error::Result,
    handler::S9WebSocketClientHandler,
    options::BlockingOptions,
    run::{Turn, run, turn},
    session::Session,
};

/// A client on the calling thread over a blocking socket: simple, and idle at no cost.
///
/// ```no_run
/// use bytes::Bytes;
/// use s9_websocket_core::{BlockingOptions, S9BlockingWebSocketClient, S9WebSocketClientHandler};
///
/// struct Printer;
///
/// impl S9WebSocketClientHandler<S9BlockingWebSocketClient> for Printer {
///     fn on_text_message(&mut self, client: &mut S9BlockingWebSocketClient, text: Bytes) {
///         println!("{}", String::from_utf8_lossy(&text));
///         client.close(None).expect("no code and no reason are valid");
///     }
/// }
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let mut client = S9BlockingWebSocketClient::connect("wss://feed.example.com", BlockingOptions::new())?;
/// client.send_text_message("hello")?;
/// client.run(&mut Printer);
/// # Ok(())
/// # }
/// ```
pub struct S9BlockingWebSocketClient {
    session: Session,
}

impl S9BlockingWebSocketClient {
    /// Connects to a `ws://` or `wss://` URL. Blocks until connected, refused, or past the deadline.
    pub fn connect(url: &str, options: BlockingOptions) -> Result<Self> {
        Self::connect_with_headers(url, &HashMap::new(), options)
    }

    /// Connects with header fields of your own in the upgrade request.
    pub fn connect_with_headers(
        url: &str,
        headers: &HashMap<String, String>,
        options: BlockingOptions,
    ) -> Result<Self> {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut session = Session::connect_blocking(url, &headers, options, &Canceller::new())?;
        session.set_blocking()?;
        Ok(Self { session })
    }

    /// Runs the event loop until the connection has quit. Blocks the calling thread.
    ///
    /// `on_poll` and `on_idle` come once a `read_timeout`, or a `spin_wait_duration` where that is not
    /// given; without either, only around messages.
    pub fn run(&mut self, handler: &mut impl S9WebSocketClientHandler<Self>) {
        run(self, handler);
    }

    /// One turn of the loop, for people with a loop of their own; `false` once the connection has quit.
    pub fn poll(&mut self, handler: &mut impl S9WebSocketClientHandler<Self>) -> bool {
        turn(self, handler) != Turn::Ended
    }
}

impl Deref for S9BlockingWebSocketClient {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for S9BlockingWebSocketClient {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

impl AsMut<Session> for S9BlockingWebSocketClient {
    fn as_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
