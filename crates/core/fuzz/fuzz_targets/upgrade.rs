//! What a server answers to the request for an upgrade, over a real socket: the answer to the key takes
//! the place of `{accept}`.
#![no_main]

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{LazyLock, Mutex},
    thread,
    time::Duration,
};

use libfuzzer_sys::fuzz_target;
use s9_websocket_core::{Canceller, Error, ErrorCode, NonBlockingOptions, PerMessageDeflateOptions, Session};

/// The answer to the next connection.
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

static SERVER: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client that has gone is no concern of the server's.
            let _ = stream.and_then(answer);
        }
    });
    address
});

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&buffer[..count]),
        }
    }
    let answer = ANSWER.lock().expect("no poison").clone();
    let (&first, bytes) = answer.split_first().unwrap_or((&0, &[]));
    let bytes = with_accept(bytes, &String::from_utf8_lossy(&request));
    let cut = usize::from(first).min(bytes.len());
    stream.write_all(&bytes[..cut])?;
    stream.write_all(&bytes[cut..])?;
    stream.shutdown(Shutdown::Write)?;
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

fn with_accept(bytes: &[u8], request: &str) -> Vec<u8> {
    const MARK: &[u8] = b"{accept}";
    let Some(at) = bytes.windows(MARK.len()).position(|window| window == MARK) else { return bytes.to_vec() };
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    [&bytes[..at], accept.as_bytes(), &bytes[at + MARK.len()..]].concat()
}

fuzz_target!(|input: &[u8]| {
    let address = *SERVER;
    *ANSWER.lock().expect("no poison") = input.to_vec();
    let options = NonBlockingOptions::new()
        .connect_timeout(Duration::from_secs(20))
        .and_then(|options| options.subprotocols(["v2.feed", "v1.feed"]))
        .expect("valid options")
        .per_message_deflate(Some(PerMessageDeflateOptions::new()));
    let url = format!("ws://{address}/");
    match Session::connect_non_blocking(&url, &[], options, &Canceller::new()) {
        Ok(session) => {
            assert_eq!(session.response().status, 101);
            let chosen = session.response().subprotocol.as_deref();
            assert!(matches!(chosen, None | Some("v1.feed" | "v2.feed")), "{chosen:?}");
        }
        Err(Error::Handshake { response, .. }) => {
            assert!(response.is_none_or(|response| response.body.len() <= 64 << 10));
        }
        // The server hung up within its answer, or reset what it had not read.
        Err(error) => assert!(matches!(error.code(), ErrorCode::Io | ErrorCode::ConnectionClosed), "{error}"),
    }
});
