//! The handle of a running server: starts the thread, names its address, stops it.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use polling::Poller;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{EchoOptions, event_loop::EventLoop, tls_setup::TlsSetup};

/// A thousand clients may connect at once; a full backlog would cost each of them a second.
const BACKLOG: i32 = 1024;

/// A running echo server; dropping it stops it.
pub struct EchoServer {
    port: u16,
    url: String,
    ca_pem: Option<String>,
    stopping: Arc<AtomicBool>,
    /// None once stopped: whoever keeps a server that is stopped keeps no descriptor with it.
    running: Mutex<Option<Running>>,
}

/// What there is of a server until it is stopped.
struct Running {
    poller: Arc<Poller>,
    thread: JoinHandle<()>,
}

impl EchoServer {
    /// Listens, and echoes on a thread of its own until [`stop`](Self::stop).
    ///
    /// # Errors
    ///
    /// The address cannot be listened on, or the certificate or key cannot be used.
    pub fn start(options: EchoOptions) -> io::Result<Self> {
        let EchoOptions { port, host, tls, spin } = options;
        let tls = tls.map(TlsSetup::new).transpose()?;
        let listener = listen(&host, port).map_err(|error| {
            io::Error::new(error.kind(), format!("listening on {host} port {port}: {error}"))
        })?;
        let port = listener.local_addr()?.port();
        let url = url(&host, port, tls.is_some());
        let (acceptor, ca_pem) = tls.map_or((None, None), |tls| (Some(tls.acceptor), tls.ca_pem));

        let poller = Arc::new(Poller::new()?);
        let stopping = Arc::new(AtomicBool::new(false));
        let event_loop = EventLoop::new(poller.clone(), listener, acceptor, stopping.clone(), spin)?;
        let thread = thread::Builder::new().name("s9-echo".to_owned()).spawn(move || event_loop.run())?;
        Ok(Self { port, url, ca_pem, stopping, running: Mutex::new(Some(Running { poller, thread })) })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL to connect to, such as `ws://127.0.0.1:40001` or `wss://localhost:40001`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The CA, in PEM, that clients have to trust; `None` unless the certificate was made by the server.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Sends Close 1001 where that is possible at once, closes every connection, and joins the thread.
    ///
    /// Waits for no client, and leaves no descriptor open. A second call does nothing.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { poller, thread }) = running.take() {
            // Neither can fail in a way to act on: a loop that is gone needs no waking, and one that panicked
            // has closed its sockets.
            let _ = poller.notify();
            let _ = thread.join();
        }
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for EchoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EchoServer").field("url", &self.url).finish_non_exhaustive()
    }
}

fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut failure = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match listen_at(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows the option means something else: taking a port away from another process.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// An address that a client can connect to, and for TLS one that the self-signed certificate names.
fn url(host: &str, port: u16, tls: bool) -> String {
    let host = match (host, tls) {
        ("0.0.0.0" | "127.0.0.1", true) => "localhost",
        ("0.0.0.0", false) => "127.0.0.1",
        ("::" | "::1", _) => "[::1]",
        (host, _) => host,
    };
    let scheme = if tls { "wss" } else { "ws" };
    if host.contains(':') && !host.starts_with('[') {
        format!("{scheme}://[{host}]:{port}")
    } else {
        format!("{scheme}://{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn url_names_an_address_that_can_be_connected_to() {
        assert_eq!(url("127.0.0.1", 1, false), "ws://127.0.0.1:1");
        assert_eq!(url("127.0.0.1", 1, true), "wss://localhost:1");
        assert_eq!(url("0.0.0.0", 1, false), "ws://127.0.0.1:1");
        assert_eq!(url("::", 1, true), "wss://[::1]:1");
        assert_eq!(url("fe80::1", 1, false), "ws://[fe80::1]:1");
        assert_eq!(url("example.test", 1, true), "wss://example.test:1");
    }
}
