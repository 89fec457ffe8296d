//! A blocking tungstenite client for the tests; every read and write has a deadline.
#![allow(dead_code, reason = "each test file uses a part")]

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use native_tls::{Certificate, TlsConnector, TlsStream};
use s9_websocket_echo::{EchoOptions, EchoServer, EchoTls};
use tungstenite::{Message, WebSocket};

/// No test waits longer than this for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) type Client = WebSocket<Stream>;

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}

pub(crate) fn plain_server() -> EchoServer {
    EchoServer::start(EchoOptions::default()).unwrap()
}

pub(crate) fn tls_server() -> EchoServer {
    EchoServer::start(EchoOptions { tls: Some(EchoTls::SelfSigned), ..EchoOptions::default() }).unwrap()
}

pub(crate) fn tcp(port: u16) -> TcpStream {
    let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(DEADLINE)).unwrap();
    tcp.set_write_timeout(Some(DEADLINE)).unwrap();
    tcp
}

pub(crate) fn tls(port: u16, ca_pem: &str, name: &str) -> native_tls::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::builder()
        .disable_built_in_roots(true)
        .add_root_certificate(Certificate::from_pem(ca_pem.as_bytes())?)
        .build()?;
    connector.connect(name, tcp(port)).map_err(|error| match error {
        native_tls::HandshakeError::Failure(error) => error,
        native_tls::HandshakeError::WouldBlock(_) => panic!("the TLS handshake missed its deadline"),
    })
}

pub(crate) fn connect(server: &EchoServer) -> Client {
    let stream = match server.ca_pem() {
        None => Stream::Plain(tcp(server.port())),
        Some(ca_pem) => Stream::Tls(Box::new(tls(server.port(), ca_pem, "localhost").unwrap())),
    };
    tungstenite::client(server.url(), stream).unwrap().0
}

pub(crate) fn assert_echoes(client: &mut Client, message: Message) {
    client.send(message.clone()).unwrap();
    let echo = client.read().unwrap();
    assert!(echo == message, "{} bytes came back as {} bytes", message.len(), echo.len());
}
