//! A described stream over real sockets, by way of the transport: its read buffer, and the memory that the
//! sessions of a thread share.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    ops::Range,
    sync::{LazyLock, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use s9_websocket_core::{
    Canceller, NonBlockingOptions, S9WebSocketClientHandler, Session, Turn, WebSocketEvent, turn,
};

use crate::{
    described::{Described, Event},
    reference::event_of,
};

/// Answers upgrades and hands the server's ends over.
static SERVER: LazyLock<(SocketAddr, Mutex<mpsc::Receiver<TcpStream>>)> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (sender, accepted) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let upgraded = stream.and_then(upgraded).expect("an upgrade");
            if sender.send(upgraded).is_err() {
                return;
            }
        }
    });
    (address, Mutex::new(accepted))
});

fn upgraded(mut stream: TcpStream) -> io::Result<TcpStream> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        assert_ne!(count, 0, "the whole request comes");
        request.extend_from_slice(&buffer[..count]);
    }
    let request = String::from_utf8_lossy(&request);
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes())?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// A session, its server, and what the server still has to send.
struct Pair<'a> {
    session: Session,
    server: TcpStream,
    bytes: &'a [u8],
    pieces: Box<dyn Iterator<Item = (Range<usize>, bool)> + 'a>,
    unsent: Range<usize>,
    log: Log,
    has_ended: bool,
}

struct Log(Vec<Event>);

impl S9WebSocketClientHandler<Session> for Log {
    fn on_event(&mut self, _: &mut Session, event: WebSocketEvent) {
        self.0.extend(event_of(&event));
    }
}

impl Pair<'_> {
    /// Sends what the kernel takes of a piece, and after the last one the end.
    fn send(&mut self) {
        if self.unsent.is_empty() {
            let Some((piece, _)) = self.pieces.next() else {
                // The session has gone before, or this was done before.
                let _ = self.server.shutdown(Shutdown::Write);
                return;
            };
            self.unsent = piece;
        }
        match self.server.write(&self.bytes[self.unsent.clone()]) {
            Ok(count) => self.unsent.start += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // A client that has told of a violation reads no further.
            Err(_) => self.unsent = 0..0,
        }
        // Pongs must have somewhere to go.
        while matches!(self.server.read(&mut [0; 4096]), Ok(1..)) {}
    }

    fn receive(&mut self) {
        self.has_ended = turn(&mut self.session, &mut self.log) == Turn::Ended;
    }
}

/// What a session gives out that gets the stream cut, and one that gets it whole.
pub(crate) fn events(stream: &Described) -> Vec<Vec<Event>> {
    let whole = 0..stream.bytes.len();
    let mut pairs =
        [pair(stream, Box::new(stream.as_cut())), pair(stream, Box::new([(whole, false)].into_iter()))];
    let deadline = Instant::now() + Duration::from_secs(20);
    while pairs.iter().any(|pair| !pair.has_ended) {
        for pair in pairs.iter_mut().filter(|pair| !pair.has_ended) {
            pair.send();
            pair.receive();
        }
        assert!(Instant::now() < deadline, "a session does not end");
    }
    pairs.into_iter().map(|pair| pair.log.0).collect()
}

fn pair<'a>(stream: &'a Described, pieces: Box<dyn Iterator<Item = (Range<usize>, bool)> + 'a>) -> Pair<'a> {
    let (address, accepted) = &*SERVER;
    let url = format!("ws://{address}/");
    let session = Session::connect_non_blocking(&url, &[], NonBlockingOptions::new(), &Canceller::new())
        .expect("a session");
    let server = accepted.lock().expect("no poison").recv().expect("a server");
    let log = Log(Vec::new());
    Pair { session, server, bytes: &stream.bytes, pieces, unsent: 0..0, log, has_ended: false }
}
