//! Servers for one connection each, on loopback and a thread, that do what a test tells them.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use socket2::{Domain, SockRef, Socket, Type};
use tungstenite::{
    Message, WebSocket, accept_hdr,
    handshake::{
        derive_accept_key,
        server::{ErrorResponse, Request, Response},
    },
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// Past this a test has failed.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

/// A server's thread and where it listens.
pub(crate) struct Server<T> {
    pub(crate) url: String,
    /// The certificate to trust; only of a TLS server.
    pub(crate) ca: Option<Vec<u8>>,
    result: mpsc::Receiver<T>,
}

impl<T> Server<T> {
    /// What the server's script returned; fails if the script did, or takes too long.
    pub(crate) fn join(self) -> T {
        self.result.recv_timeout(LONG).expect("the server's script failed or did not end")
    }
}

/// The server's end of an upgraded connection.
pub(crate) struct Peer {
    pub(crate) ws: WebSocket<Box<dyn Stream>>,
    pub(crate) tcp: TcpStream,
    /// Header names in lower case and values of the upgrade request.
    pub(crate) headers: Vec<(String, String)>,
}

impl Peer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.ws.send(Message::text(text)).unwrap();
    }

    /// The next message that is not a pong.
    pub(crate) fn read(&mut self) -> Message {
        self.ws.read().unwrap()
    }

    /// Sends a Close frame and reads until the answer has come and the client has gone.
    pub(crate) fn close(mut self, code: u16, reason: &'static str) -> Vec<String> {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        self.ws.close(Some(frame)).unwrap();
        self.read_to_end()
    }

    /// Everything until the end, one line each. The last line tells how it ended.
    pub(crate) fn read_to_end(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.ws.read() {
                Ok(message) => lines.push(describe(&message)),
                Err(tungstenite::Error::ConnectionClosed) => {
                    lines.push("end after close".into());
                    break;
                }
                Err(tungstenite::Error::Protocol(_)) => {
                    lines.push("end without close".into());
                    break;
                }
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
                    lines.push("reset".into());
                    break;
                }
                Err(error) => {
                    lines.push(format!("{error:?}"));
                    break;
                }
            }
        }
        lines
    }

    /// Answers every message with itself until the end, as [`read_to_end`](Self::read_to_end) does.
    pub(crate) fn echo(mut self) -> Vec<String> {
        loop {
            match self.ws.read() {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => self.ws.send(message).unwrap(),
                Ok(message) if message.is_close() => {
                    let mut lines = vec![describe(&message)];
                    lines.extend(self.read_to_end());
                    return lines;
                }
                Ok(_) => {}
                Err(error) => return vec![format!("{error:?}")],
            }
        }
    }

    /// Ends the connection with a RST.
    pub(crate) fn reset(self) {
        SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Ends the server's direction without a Close frame and waits until the client has gone.
    pub(crate) fn end_without_close(self) {
        self.tcp.shutdown(Shutdown::Write).unwrap();
        self.read_to_end();
    }
}

fn describe(message: &Message) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match message {
        Message::Text(data) => format!("text {data}"),
        Message::Binary(data) => format!("binary {}", text(data)),
        Message::Ping(data) => format!("ping {}", text(data)),
        Message::Pong(data) => format!("pong {}", text(data)),
        Message::Close(Some(frame)) => format!("close {} {}", u16::from(frame.code), frame.reason),
        Message::Close(None) => "close".into(),
        Message::Frame(_) => unreachable!("only given out where raw frames are written"),
    }
}

/// Serves one connection with `script`.
pub(crate) fn serve<T: Send + 'static>(
    tls: bool,
    script: impl FnOnce(Peer) -> T + Send + 'static,
) -> Server<T> {
    serve_with_buffer(tls, None, script)
}

/// Serves one connection with a receive buffer of this size.
pub(crate) fn serve_with_buffer<T: Send + 'static>(
    tls: bool,
    receive_buffer: Option<usize>,
    script: impl FnOnce(Peer) -> T + Send + 'static,
) -> Server<T> {
    let credentials = tls.then(certificate);
    let ca = credentials.as_ref().map(|(certificate, _)| certificate.clone().into_bytes());
    let acceptor = credentials.map(|(certificate, key)| {
        let identity = native_tls::Identity::from_pkcs8(certificate.as_bytes(), key.as_bytes()).unwrap();
        native_tls::TlsAcceptor::new(identity).unwrap()
    });
    let (address, result) = on_connection(receive_buffer, move |tcp| {
        let below = tcp.try_clone().unwrap();
        let stream: Box<dyn Stream> = match acceptor {
            Some(acceptor) => Box::new(acceptor.accept(below).unwrap()),
            None => Box::new(below),
        };
        let mut headers = Vec::new();
        #[allow(clippy::result_large_err)] // The callback's type is tungstenite's.
        let ws = accept_hdr(stream, |request: &Request, mut response: Response| {
            for (name, value) in request.headers() {
                headers.push((name.as_str().to_owned(), value.to_str().unwrap().to_owned()));
            }
            if let Some(offered) = request.headers().get("sec-websocket-protocol") {
                let last = offered.to_str().unwrap().rsplit(", ").next().unwrap();
                response.headers_mut().insert("sec-websocket-protocol", last.parse().unwrap());
            }
            Ok::<_, ErrorResponse>(response)
        });
        script(Peer { ws: ws.unwrap(), tcp, headers })
    });
    let url = if tls { format!("wss://localhost:{}", address.port()) } else { format!("ws://{address}") };
    Server { url, ca, result }
}

/// Upgrades one connection by hand and sends `tail` in the same write as the response.
pub(crate) fn serve_raw<T: Send + 'static>(
    tail: Vec<u8>,
    script: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> Server<T> {
    serve_raw_with("", tail, |tcp, _| script(tcp))
}

/// As [`serve_raw`], with these header fields in the response; `script` is given the request too.
pub(crate) fn serve_raw_with<T: Send + 'static>(
    fields: &'static str,
    tail: Vec<u8>,
    script: impl FnOnce(TcpStream, String) -> T + Send + 'static,
) -> Server<T> {
    let (address, result) = on_connection(None, move |mut tcp| {
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            tcp.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let request = String::from_utf8(request).unwrap();
        let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let mut response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{fields}\r\n",
            derive_accept_key(key.as_bytes())
        )
        .into_bytes();
        response.extend(tail);
        tcp.write_all(&response).unwrap();
        script(tcp, request)
    });
    Server { url: format!("ws://{address}"), ca: None, result }
}

fn on_connection<T: Send + 'static>(
    receive_buffer: Option<usize>,
    script: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, mpsc::Receiver<T>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(4).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let (sender, result) = mpsc::channel();
    thread::spawn(move || {
        let tcp = listener.accept().unwrap().0;
        tcp.set_nodelay(true).unwrap();
        tcp.set_read_timeout(Some(LONG)).unwrap();
        tcp.set_write_timeout(Some(LONG)).unwrap();
        let _ = sender.send(script(tcp));
    });
    (address, result)
}

/// A self-signed certificate for localhost and its PKCS #8 key, PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}
