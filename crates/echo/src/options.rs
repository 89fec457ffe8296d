//! What an echo server can be told. Values are checked where they are used, when the server starts.

use std::fmt;

/// Where and how an echo server listens; the default is plain, on any free port of 127.0.0.1.
#[derive(Clone, Debug)]
pub struct EchoOptions {
    /// The port; 0 takes any free one, which [`EchoServer::port`](crate::EchoServer::port) then tells.
    pub port: u16,
    /// The address or name to listen on.
    pub host: String,
    /// TLS, and where its certificate comes from; `None` is plain TCP.
    pub tls: Option<EchoTls>,
    /// Whether the server's thread never sleeps: the lowest latency, at the price of one core.
    pub spin: bool,
}

impl Default for EchoOptions {
    fn default() -> Self {
        Self { port: 0, host: "127.0.0.1".to_owned(), tls: None, spin: false }
    }
}

/// Where the certificate of a TLS server comes from.
#[derive(Clone)]
pub enum EchoTls {
    /// A new CA and, signed by it, a certificate for `localhost`, `127.0.0.1` and `::1`, made when the server
    /// starts; [`EchoServer::ca_pem`](crate::EchoServer::ca_pem) is what clients have to trust.
    SelfSigned,
    /// A certificate of one's own.
    Pem {
        /// The certificate, followed by its intermediates, in PEM.
        cert: String,
        /// The unencrypted PKCS#8 key (`BEGIN PRIVATE KEY`) in PEM.
        key: String,
    },
}

// Written by hand to keep the private key out of logs.
impl fmt::Debug for EchoTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SelfSigned => f.write_str("SelfSigned"),
            Self::Pem { cert, .. } => f.debug_struct("Pem").field("cert", cert).finish_non_exhaustive(),
        }
    }
}
