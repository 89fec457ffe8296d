//! The examples, each run as a program against a server that does what the example is about.
#![allow(clippy::unwrap_used)]

use std::{
    env,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output},
    sync::mpsc,
    thread,
    time::Duration,
};

use openssl::{
    pkey::PKey,
    ssl::{SslAcceptor, SslMethod, SslVerifyMode},
    x509::X509,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tungstenite::{
    Message, WebSocket, accept_hdr,
    handshake::server::{ErrorResponse, Request, Response},
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// Past this a test has failed.
const LONG: Duration = Duration::from_secs(30);

/// Runs an example, which `cargo test` builds beside this test; with `--test`, `cargo build --examples`
/// does.
fn run(example: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut path = env::current_exe().unwrap();
    path.pop();
    let name = format!("{example}{}", env::consts::EXE_SUFFIX);
    let path = path.parent().unwrap().join("examples").join(name);
    let mut command = Command::new(path);
    command.args(arguments).envs(environment.iter().copied());
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(command.output()));
    ended.recv_timeout(LONG).expect("the example hangs").expect("`cargo build --examples` was not run")
}

fn printed(output: &Output) -> Vec<String> {
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

struct Peer<S>(WebSocket<S>);

impl<S: Read + Write> Peer<S> {
    fn expect(&mut self, text: &str) {
        assert_eq!(self.0.read().unwrap(), Message::text(text));
    }

    fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    fn close(&mut self) {
        let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
        self.0.close(Some(frame)).unwrap();
        self.end();
    }

    /// Reads to the end.
    fn end(&mut self) {
        while self.0.read().is_ok() {}
    }

    fn echo(&mut self) {
        while let Ok(message) = self.0.read() {
            if message.is_text() {
                self.0.send(message).unwrap();
            }
        }
    }
}

/// A server of as many connections as `scripts`, one after the other.
fn serve(scripts: Vec<fn(&mut Peer<TcpStream>)>) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        for script in scripts {
            let tcp = listener.accept().unwrap().0;
            tcp.set_read_timeout(Some(LONG)).unwrap();
            script(&mut Peer(tungstenite::accept(tcp).unwrap()));
        }
    });
    (url, server)
}

#[test]
fn the_echo_examples_print_what_comes_back() {
    for (example, lines) in [
        ("echo_non_blocking", vec!["hello", "closed with 1000 \"done\""]),
        ("echo_blocking", vec!["hello", "closed with 1000 \"\""]),
        (
            "echo_async",
            vec!["Activated", "hello", "ConnectionClosed(CloseFrame { code: 1000, reason: \"\" })", "Quit"],
        ),
    ] {
        let (url, server) = serve(vec![Peer::echo]);
        let mut output = printed(&run(example, &[&url], &[]));
        // On a machine that is slow enough.
        output.retain(|line| line != "nothing for a second");
        assert_eq!(output, lines, "{example}");
        server.join().unwrap();
    }
}

#[test]
fn the_order_book_example_heals_gaps_and_broken_connections() {
    let (url, server) = serve(vec![
        |peer| {
            peer.expect("subscribe");
            peer.send("snapshot 4 1000:1 1001:2");
            peer.send("update 4 1000:9");
            peer.send("update 5 1001:0");
            peer.send("update 7 1002:5");
            peer.expect("subscribe");
            // From before the snapshot that was asked for.
            peer.send("update 8 1002:6");
            peer.send("snapshot 8 1002:6");
            peer.send("update 9 1003:7");
            // The connection breaks: the stream ends without a Close frame.
        },
        |peer| {
            peer.expect("subscribe");
            peer.send("snapshot 20 1004:8");
            peer.close();
        },
    ]);
    let output = printed(&run("order_book", &[&url], &[]));
    server.join().unwrap();
    assert_eq!(
        output,
        [
            "snapshot 4: {1000: 1, 1001: 2}",
            "update 5: {1000: 1}",
            "gap before 7",
            "snapshot 8: {1002: 6}",
            "update 9: {1002: 6, 1003: 7}",
            "ERR_S9_CONNECTION_CLOSED: connecting again",
            "snapshot 20: {1004: 8}",
            "closed with 1000 \"bye\"",
        ]
    );
}

/// Files of one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = env::temp_dir().join(format!("s9-websocket-examples-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn put(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An authority, and what it issues: certificate and key for a name, PEM.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A TLS server for one connection: demands a certificate and a token, tells the client its name.
fn demanding(authority: &Authority) -> SocketAddr {
    let (certificate, key) = authority.issue("localhost");
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    acceptor.set_certificate(&X509::from_pem(certificate.as_bytes()).unwrap()).unwrap();
    acceptor.set_private_key(&PKey::private_key_from_pem(key.as_bytes()).unwrap()).unwrap();
    let ca = X509::from_pem(authority.pem.as_bytes()).unwrap();
    acceptor.cert_store_mut().add_cert(ca).unwrap();
    acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    let acceptor = acceptor.build();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let tcp = listener.accept().unwrap().0;
        tcp.set_read_timeout(Some(LONG)).unwrap();
        let stream = acceptor.accept(tcp).unwrap();
        let peer = stream.ssl().peer_certificate().unwrap();
        let name = peer.subject_name().entries().next().unwrap().data().as_slice().to_vec();
        let name = String::from_utf8(name).unwrap();
        #[allow(clippy::result_large_err)] // The callback's type is tungstenite's.
        let upgraded = accept_hdr(stream, |request: &Request, mut response: Response| {
            if request.headers().get("authorization").unwrap() != "Bearer secret" {
                let mut refusal = ErrorResponse::new(Some("no such token".to_owned()));
                *refusal.status_mut() = http::StatusCode::UNAUTHORIZED;
                return Err(refusal);
            }
            response.headers_mut().insert("sec-websocket-protocol", "feed.v1".parse().unwrap());
            Ok(response)
        });
        if let Ok(ws) = upgraded {
            let mut peer = Peer(ws);
            peer.send(&format!("hello, {name}"));
            peer.end();
        }
    });
    address
}

#[test]
fn the_certificate_example_is_let_in_by_certificate_and_token() {
    let folder = Folder::new();
    let authority = Authority::new();
    let (certificate, key) = authority.issue("trader");
    let ca = folder.put("ca.pem", &authority.pem);
    let certificate = folder.put("cert.pem", &certificate);
    let key = folder.put("key.pem", &key);
    let connect = |token: &str| {
        let url = format!("wss://localhost:{}", demanding(&authority).port());
        run("headers_and_certificates", &[&url, &ca, &certificate, &key], &[("TOKEN", token)])
    };
    assert_eq!(
        printed(&connect("secret")),
        ["verified: true, as localhost", "speaking \"feed.v1\"", "hello, trader"]
    );
    let refused = connect("guessed");
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("401: no such token"), "{text}");
}
