//! The socket of a client.

use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use s9_websocket_core::{S9Socket, has_system_roots};

use crate::error::{Result, thrown};

/// Addresses, options and TLS facts of a connection.
#[napi]
pub struct NativeSocket {
    socket: S9Socket,
}

impl From<S9Socket> for NativeSocket {
    fn from(socket: S9Socket) -> Self {
        Self { socket }
    }
}

/// What the TLS handshake settled.
#[napi(object)]
pub struct NativeTlsFacts {
    /// The name sent and verified.
    pub servername: String,
    /// Whether the certificate was verified.
    pub authorized: bool,
    /// The protocol chosen by ALPN.
    pub alpn_protocol: Option<String>,
    /// The peer's certificate in DER.
    pub peer_certificate: Option<Buffer>,
}

#[napi]
impl NativeSocket {
    /// The address of this end.
    #[napi(catch_unwind)]
    pub fn local_address(&self) -> Result<String> {
        self.socket.local_address().map(|address| address.ip().to_string()).map_err(thrown)
    }

    /// The port of this end.
    #[napi(catch_unwind)]
    pub fn local_port(&self) -> Result<u16> {
        self.socket.local_address().map(|address| address.port()).map_err(thrown)
    }

    /// The address of the other end.
    #[napi(catch_unwind)]
    pub fn remote_address(&self) -> Result<String> {
        self.socket.peer_address().map(|address| address.ip().to_string()).map_err(thrown)
    }

    /// The port of the other end.
    #[napi(catch_unwind)]
    pub fn remote_port(&self) -> Result<u16> {
        self.socket.peer_address().map(|address| address.port()).map_err(thrown)
    }

    /// TCP_NODELAY.
    #[napi(catch_unwind)]
    pub fn nodelay(&self) -> Result<bool> {
        self.socket.nodelay().map_err(thrown)
    }

    /// Sets TCP_NODELAY.
    #[napi(catch_unwind)]
    pub fn set_nodelay(&self, on: bool) -> Result<()> {
        self.socket.set_nodelay(on).map_err(thrown)
    }

    /// Time to live.
    #[napi(catch_unwind)]
    pub fn ttl(&self) -> Result<u32> {
        self.socket.ttl().map_err(thrown)
    }

    /// Sets the time to live.
    #[napi(catch_unwind)]
    pub fn set_ttl(&self, hops: u32) -> Result<()> {
        self.socket.set_ttl(hops).map_err(thrown)
    }

    /// The descriptor.
    #[napi(catch_unwind)]
    pub fn fd(&self) -> Result<i64> {
        self.socket.raw_fd().map_err(thrown)
    }

    /// What the TLS handshake settled; `null` for `ws://`.
    #[napi(catch_unwind)]
    pub fn tls(&self) -> Option<NativeTlsFacts> {
        self.socket.tls().map(|facts| NativeTlsFacts {
            servername: facts.servername.clone(),
            authorized: facts.authorized,
            alpn_protocol: facts.alpn_protocol.clone(),
            peer_certificate: facts.peer_certificate.clone().map(Buffer::from),
        })
    }
}

/// Whether the system has root certificates.
#[napi(catch_unwind, js_name = "hasSystemRoots")]
pub fn system_has_roots() -> bool {
    has_system_roots()
}
