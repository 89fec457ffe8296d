//! The public view of a connection's socket: addresses, options, TLS facts. Never keeps it open.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
};

use socket2::Socket;

use crate::error::{Error, Result};

/// The socket of a connection, usable from any thread while the connection lives.
///
/// Once the connection has ended, methods that ask the system fail with
/// [`Error::SocketUnavailable`].
///
/// ```no_run
/// use s9_websocket_core::{NonBlockingOptions, S9NonBlockingWebSocketClient};
///
/// # fn main() -> s9_websocket_core::Result<()> {
/// let client = S9NonBlockingWebSocketClient::connect("wss://example.com", NonBlockingOptions::new())?;
/// let socket = client.socket();
/// socket.set_nodelay(true)?;
/// println!("{} to {}, TLS: {}", socket.local_address()?, socket.peer_address()?, socket.tls().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct S9Socket {
    socket: Weak<Socket>,
    tls: Option<Arc<TlsFacts>>,
}

/// What the TLS handshake settled.
///
/// ```no_run
/// # fn show(socket: &s9_websocket_core::S9Socket) {
/// if let Some(tls) = socket.tls() {
///     println!("{} by ALPN", tls.alpn_protocol.as_deref().unwrap_or("nothing"));
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// The name or address that was sent as SNI and verified.
    pub servername: String,
    /// Whether the peer's certificate was verified.
    pub authorized: bool,
    /// The protocol the server chose by ALPN (RFC 7301), if it did.
    pub alpn_protocol: Option<String>,
    /// The peer's certificate in DER.
    pub peer_certificate: Option<Vec<u8>>,
}

impl S9Socket {
    pub(crate) fn new(socket: &Arc<Socket>, tls: Option<Arc<TlsFacts>>) -> Self {
        Self { socket: Arc::downgrade(socket), tls }
    }

    /// The address this end is bound to.
    pub fn local_address(&self) -> Result<SocketAddr> {
        self.ask("reading the local address", |socket| internet_address(socket.local_addr()?))
    }

    /// The address of the other end.
    pub fn peer_address(&self) -> Result<SocketAddr> {
        self.ask("reading the peer's address", |socket| internet_address(socket.peer_addr()?))
    }

    /// TCP_NODELAY.
    pub fn nodelay(&self) -> Result<bool> {
        self.ask("reading nodelay", Socket::tcp_nodelay)
    }

    /// Sets TCP_NODELAY.
    pub fn set_nodelay(&self, on: bool) -> Result<()> {
        self.ask("setting nodelay", |socket| socket.set_tcp_nodelay(on))
    }

    /// Time to live, or hop limit, of the packets sent.
    pub fn ttl(&self) -> Result<u32> {
        self.ask(
            "reading ttl",
            |socket| {
                if is_ipv4(socket)? { socket.ttl_v4() } else { socket.unicast_hops_v6() }
            },
        )
    }

    /// Sets the time to live, or hop limit, of the packets sent, 1 to 255.
    pub fn set_ttl(&self, hops: u32) -> Result<()> {
        if hops == 0 || hops > 255 {
            return Err(Error::invalid("ttl", hops, "1 to 255"));
        }
        self.ask("setting ttl", |socket| {
            if is_ipv4(socket)? { socket.set_ttl_v4(hops) } else { socket.set_unicast_hops_v6(hops) }
        })
    }

    /// The descriptor, on Windows the SOCKET handle. Valid only while the connection lives; neither
    /// read, write nor close it.
    pub fn raw_fd(&self) -> Result<i64> {
        self.ask("reading the descriptor", |socket| {
            #[cfg(unix)]
            return Ok(i64::from(std::os::fd::AsRawFd::as_raw_fd(socket)));
            #[cfg(windows)]
            return i64::try_from(std::os::windows::io::AsRawSocket::as_raw_socket(socket))
                .map_err(io::Error::other);
        })
    }

    /// What the TLS handshake settled; `None` for `ws://`.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.tls.as_deref()
    }

    fn ask<T>(&self, context: &str, question: impl FnOnce(&Socket) -> io::Result<T>) -> Result<T> {
        let socket = self.socket.upgrade().ok_or(Error::SocketUnavailable("the connection has ended"))?;
        question(&socket).map_err(|source| Error::io(context, source))
    }
}

/// Whether the socket is one of IPv4.
fn is_ipv4(socket: &Socket) -> io::Result<bool> {
    Ok(socket.local_addr()?.is_ipv4())
}

fn internet_address(address: socket2::SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| io::Error::other("not an internet address"))
}
