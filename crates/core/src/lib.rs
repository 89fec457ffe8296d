//! WebSocket clients (RFC 6455) for people to whom a microsecond matters, over `tungstenite`.
//!
//! | client | socket | where the loop runs | how events arrive |
//! |---|---|---|---|
//! | [`S9NonBlockingWebSocketClient`] | non-blocking | your thread | handler callbacks |
//! | [`S9BlockingWebSocketClient`] | blocking, optional timeouts | your thread | handler callbacks |
//! | [`S9AsyncNonBlockingWebSocketClient`] | non-blocking | a thread of its own | channels |
//!
//! They differ in socket mode, in how they wait, and in who receives the events. In nothing else:
//! [`Connection`] is the one state machine and `run` the one loop under all of them.
#![warn(missing_docs)]

mod channel;
mod clients;
mod connect;
mod connection;
mod deflate;
mod error;
mod event;
mod event_signal;
mod event_sink;
mod handler;
mod link;
mod options;
mod outbound;
mod pace;
mod run;
mod scheduling;
mod session;
mod socket;
mod threaded_session;
mod tls_options;
mod transport;
mod upgrade;
mod wait;

pub use channel::ControlSender;
pub use clients::{
    S9AsyncNonBlockingWebSocketClient, S9BlockingWebSocketClient, S9NonBlockingWebSocketClient,
};
pub use connect::{Canceller, UpgradeResponse};
pub use connection::{Connection, Limits, Sent, Step};
pub use deflate::{PerMessageDeflateAgreement, PerMessageDeflateOptions};
pub use error::{Error, ErrorCode, RefusedUpgrade, Result};
pub use event::{CloseFrame, ControlMessage, MessageKind, WebSocketEvent};
pub use event_signal::{EventSignal, Listener};
pub use event_sink::{EventSink, ReceivedEvent};
pub use handler::S9WebSocketClientHandler;
pub use options::{BlockingOptions, NonBlockingOptions};
pub use run::{Turn, run, turn};
pub use session::Session;
pub use socket::{S9Socket, TlsFacts};
pub use threaded_session::ThreadedSession;
pub use tls_options::{TlsOptions, TlsVersion};
pub use transport::{end_lingering, end_lingering_here, has_system_roots};
pub use wait::{Wait, Watcher};

/// Its code is compiled with the tests of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
