//! The echo server, for users' tests and our own.

use std::cell::RefCell;

use napi_derive::napi;
use s9_websocket_core::Error;
use s9_websocket_echo::{EchoOptions, EchoServer, EchoTls};

use crate::error::{Result, thrown};

/// How to start an echo server.
#[napi(object)]
pub struct NativeEchoOptions {
    /// 0, the default, for any.
    pub port: Option<u16>,
    /// With a certificate made for it.
    pub tls: Option<bool>,
    /// With this certificate.
    pub cert: Option<String>,
    /// And its key.
    pub key: Option<String>,
}

/// An echo server on a thread of its own.
#[napi]
pub struct NativeEchoServer {
    server: RefCell<EchoServer>,
}

#[napi]
impl NativeEchoServer {
    /// Starts it on 127.0.0.1.
    #[napi(factory, catch_unwind)]
    pub fn start(options: NativeEchoOptions) -> Result<Self> {
        let tls = match (options.cert, options.key) {
            (Some(cert), Some(key)) => Some(EchoTls::Pem { cert, key }),
            _ => options.tls.unwrap_or(false).then_some(EchoTls::SelfSigned),
        };
        let options = EchoOptions { port: options.port.unwrap_or(0), tls, ..EchoOptions::default() };
        let server = EchoServer::start(options)
            .map_err(|error| thrown(Error::io("starting the echo server", error)))?;
        Ok(Self { server: RefCell::new(server) })
    }

    /// The port it listens on.
    #[napi(catch_unwind)]
    pub fn port(&self) -> u16 {
        self.server.borrow().port()
    }

    /// `ws://…` or `wss://…`.
    #[napi(catch_unwind)]
    pub fn url(&self) -> String {
        self.server.borrow().url().to_owned()
    }

    /// The certificate to trust, PEM, if it made one.
    #[napi(catch_unwind)]
    pub fn ca(&self) -> Option<String> {
        self.server.borrow().ca_pem().map(str::to_owned)
    }

    /// Closes all connections and ends its thread.
    #[napi(catch_unwind)]
    pub fn stop(&self) {
        self.server.borrow_mut().stop();
    }
}
