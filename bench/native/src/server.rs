//! The server: one thread a connection, which does what the path of its URL asks for.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    thread,
};

use native_tls::{Identity, TlsAcceptor};
use tungstenite::handshake::derive_accept_key;

use crate::{
    Failure, Options,
    pin::pin_thread,
    scenario,
    stream::{Stream, Wait},
};

/// Listens on free ports, prints the URLs as JSON, and serves until standard input ends.
pub(crate) fn serve(options: &Options) -> Result<(), Failure> {
    if let Some(processor) = options.text("cpu") {
        pin_thread(processor.parse().map_err(|_| format!("--cpu {processor:?} is no processor number"))?)?;
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let certificate = made.cert.pem();
    if let Some(path) = options.text("ca-out") {
        std::fs::write(path, &certificate).map_err(|error| format!("{path}: {error}"))?;
    }
    let identity = Identity::from_pkcs8(certificate.as_bytes(), made.signing_key.serialize_pem().as_bytes())?;
    let acceptor = Arc::new(TlsAcceptor::new(identity)?);
    let frames: Arc<Path> = Path::new(options.text("frames").unwrap_or(".")).into();
    let plain = listen(None, &frames)?;
    let secure = listen(Some(acceptor), &frames)?;
    println!("{{\"ws\":\"ws://127.0.0.1:{plain}\",\"wss\":\"wss://localhost:{secure}\"}}");
    // Whoever started the server holds this open: the server cannot outlive it.
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn listen(acceptor: Option<Arc<TlsAcceptor>>, frames: &Arc<Path>) -> Result<u16, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let frames = frames.clone();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (acceptor, frames) = (acceptor.clone(), frames.clone());
            thread::spawn(move || {
                // A client that is done just goes: the end of its connection is no failure.
                let _ = serve_connection(socket, acceptor.as_deref(), &frames);
            });
        }
    });
    Ok(port)
}

fn serve_connection(socket: TcpStream, acceptor: Option<&TlsAcceptor>, frames: &Path) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let mut stream = match acceptor {
        None => Stream::Plain(socket),
        Some(acceptor) => Stream::Tls(Box::new(acceptor.accept(socket)?)),
    };
    let request = read_request(&mut stream)?;
    let (_, query) = request.resource.split_once('?').unwrap_or((&request.resource, ""));
    let query = scenario::Query::parse(query);
    let agreed = match query.text("deflate") {
        None => "",
        Some(_) if !request.offers_deflate => return Err("no permessage-deflate was offered".into()),
        Some("takeover") => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        Some(_) => {
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
             client_no_context_takeover\r\n"
        }
    };
    // Its name in the folder; the benchmark that started the server has put it there.
    let frames = query.text("frames").map(|name| std::fs::read(frames.join(name))).transpose()?;
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         {agreed}Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(request.key.as_bytes())
    );
    stream.write_all(response.as_bytes())?;
    stream.set_wait(if query.text("wait") == Some("block") { Wait::Block } else { Wait::Spin })?;
    scenario::serve(stream, &request.resource, &query, frames)?;
    Ok(())
}

struct Request {
    resource: String,
    key: String,
    offers_deflate: bool,
}

fn read_request(stream: &mut Stream) -> Result<Request, Failure> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !bytes.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
    let text = String::from_utf8(bytes)?;
    let resource = text.split(' ').nth(1).ok_or("no request line")?.to_owned();
    let key = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|(_, value)| value.trim().to_owned())
        .ok_or("no Sec-WebSocket-Key")?;
    let offers_deflate = text.contains("permessage-deflate");
    Ok(Request { resource, key, offers_deflate })
}
