//! A small fast WebSocket echo server, plain or TLS, on one thread of its own.
//!
//! It serves the demo, the tests and the benchmarks; the Node package offers it as `s9-websocket/testing`.
//! Text and binary messages come back as they were sent, pings are answered, a Close is answered with its
//! own code, and the first subprotocol offered is selected. It does nothing else.
//!
//! ```
//! use s9_websocket_echo::{EchoOptions, EchoServer};
//!
//! let server = EchoServer::start(EchoOptions::default())?;
//! let tcp = std::net::TcpStream::connect(("127.0.0.1", server.port()))?;
//! let (mut client, _) = tungstenite::client(server.url(), tcp)?;
//! client.send("hello".into())?;
//! assert_eq!(client.read()?, "hello".into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod connection;
mod event_loop;
mod options;
mod server;
mod tls_setup;
mod transport;
mod upgrade;

pub use options::{EchoOptions, EchoTls};
pub use server::EchoServer;
