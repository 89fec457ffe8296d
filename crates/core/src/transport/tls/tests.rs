#![allow(clippy::unwrap_used)]

use std::{
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use openssl::{
    pkcs12::Pkcs12,
    pkey::PKey,
    ssl::{
        AlpnError, ShutdownState, SslAcceptor, SslAcceptorBuilder, SslMethod, SslStream, SslVerifyMode,
        SslVersion,
    },
    x509::X509,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use socket2::SockRef;

use super::*;
use crate::{
    error::ErrorCode,
    event::WebSocketEvent,
    handler::S9WebSocketClientHandler,
    options::{BlockingOptions, ConnectionOptions, NonBlockingOptions},
    run::run,
    session::Session,
    transport::{Canceller, Transport, dial},
};

const LONG: Duration = Duration::from_secs(20);

/// A certificate authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL looks for an issuer by name, so that two of one name would hide one another.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("authority {} of {}", COUNT.fetch_add(1, Ordering::Relaxed), std::process::id());
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate and its key, PEM, for these names.
    fn issue(&self, names: &[&str], year: i32) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A TLS server for one connection.
pub(crate) struct TestServer<T> {
    address: SocketAddr,
    authority: Authority,
    thread: thread::JoinHandle<Option<T>>,
}

impl<T: Send + 'static> TestServer<T> {
    /// Serves with a certificate for `names`.
    pub(crate) fn start(
        names: &[&str],
        serve: impl FnOnce(SslStream<TcpStream>) -> T + Send + 'static,
    ) -> Self {
        Self::configured(names, 4000, |_, _| {}, serve)
    }

    fn configured(
        names: &[&str],
        year: i32,
        configure: impl FnOnce(&mut SslAcceptorBuilder, &Authority),
        serve: impl FnOnce(SslStream<TcpStream>) -> T + Send + 'static,
    ) -> Self {
        let authority = Authority::new();
        let (certificate, key) = authority.issue(names, year);
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_certificate(&X509::from_pem(certificate.as_bytes()).unwrap()).unwrap();
        acceptor.set_private_key(&PKey::private_key_from_pem(key.as_bytes()).unwrap()).unwrap();
        configure(&mut acceptor, &authority);
        let acceptor = acceptor.build();
        let ip = if names.contains(&"::1") { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
        let listener = TcpListener::bind(SocketAddr::new(ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let stream = listener.accept().unwrap().0;
            stream.set_read_timeout(Some(LONG)).unwrap();
            acceptor.accept(stream).ok().map(serve)
        });
        Self { address, authority, thread }
    }

    pub(crate) fn ca(&self) -> Vec<u8> {
        self.authority.pem.clone().into_bytes()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What `serve` returned; the handshake must have succeeded.
    pub(crate) fn join(self) -> T {
        self.thread.join().unwrap().unwrap()
    }

    /// Connects as if the URL's host were `host`.
    fn connect(&self, host: &str, tls: TlsOptions) -> Result<Transport> {
        secure(self.address, host, tls)
    }

    fn trusting(&self) -> TlsOptions {
        TlsOptions::new().ca([self.ca()])
    }
}

fn secure(address: SocketAddr, host: &str, tls: TlsOptions) -> Result<Transport> {
    secure_within(LONG, address, host, tls)
}

fn secure_within(limit: Duration, address: SocketAddr, host: &str, tls: TlsOptions) -> Result<Transport> {
    let options = ConnectionOptions { tls, ..ConnectionOptions::default() };
    let mut deadline = Deadline::start(limit, &Canceller::new()).unwrap();
    let socket = dial(&address.ip().to_string(), address.port(), &options, &mut deadline).unwrap();
    Transport::secure(socket, host, &options, &mut deadline)
}

/// Keeps the connection until the client has gone.
fn hold(mut stream: SslStream<TcpStream>) {
    let _ = stream.read(&mut [0; 1]);
}

fn reason(result: Result<Transport>) -> String {
    let error = result.map(drop).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Tls, "{error}");
    error.to_string()
}

#[test]
fn a_custom_authority_is_trusted_and_the_facts_are_kept() {
    let server = TestServer::start(&["good.example"], hold);
    let transport = server.connect("good.example", server.trusting()).unwrap();
    let facts = transport.s9_socket().tls().unwrap().clone();
    assert_eq!((facts.servername.as_str(), facts.authorized), ("good.example", true));
    assert!(facts.alpn_protocol.is_none() && facts.peer_certificate.is_some());
    drop(transport);
    server.join();
}

#[test]
fn an_authority_in_der_is_trusted_too() {
    let server = TestServer::start(&["good.example"], hold);
    let der = X509::from_pem(&server.ca()).unwrap().to_der().unwrap();
    server.connect("good.example", TlsOptions::new().ca([der])).unwrap();
}

#[test]
fn an_unknown_authority_is_refused() {
    let server = TestServer::start(&["good.example"], hold);
    let text = reason(server.connect("good.example", TlsOptions::new()));
    assert!(text.contains("unable to get local issuer certificate"), "{text}");
    let server = TestServer::start(&["good.example"], hold);
    let other = TlsOptions::new().ca([Authority::new().pem]);
    let text = reason(server.connect("good.example", other));
    assert!(text.contains("certificate"), "{text}");
}

/// The library looks for the system's roots once a process, so one with roots of our choice is needed.
#[cfg(target_os = "linux")]
#[test]
fn a_custom_authority_replaces_those_of_the_system() {
    let servers = [(); 3].map(|()| TestServer::start(&["good.example"], hold));
    let file = std::env::temp_dir().join(format!("s9-roots-{}.pem", std::process::id()));
    std::fs::write(&file, servers.iter().flat_map(TestServer::ca).collect::<Vec<_>>()).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "transport::tls::tests::in_a_process_with_roots_of_our_choice"])
        .env("SSL_CERT_FILE", &file)
        .env("S9_TEST_PORTS", servers.map(|server| server.port().to_string()).join(" "))
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "started by a_custom_authority_replaces_those_of_the_system"]
fn in_a_process_with_roots_of_our_choice() {
    let ports = std::env::var("S9_TEST_PORTS").unwrap();
    let ports: Vec<_> = ports.split(' ').map(|port| port.parse::<u16>().unwrap()).collect();
    let [first, second, third] = ports[..] else { panic!("{ports:?}") };
    assert!(has_system_roots());
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    secure(local(first), "good.example", TlsOptions::new()).unwrap();
    let replaced = TlsOptions::new().ca([Authority::new().pem]);
    reason(secure(local(second), "good.example", replaced));
    let nobody: [Vec<u8>; 0] = [];
    reason(secure(local(third), "good.example", TlsOptions::new().ca(nobody)));
}

#[test]
fn a_certificate_for_another_name_is_refused_and_a_servername_overrides() {
    let server = TestServer::start(&["good.example"], hold);
    let text = reason(server.connect("bad.example", server.trusting()));
    assert!(text.contains("hostname mismatch"), "{text}");
    let server = TestServer::start(&["good.example"], |stream| {
        stream.ssl().servername(openssl::ssl::NameType::HOST_NAME).map(str::to_owned)
    });
    let tls = server.trusting().servername("good.example").unwrap();
    server.connect("bad.example", tls).unwrap();
    assert_eq!(server.join().as_deref(), Some("good.example"));
}

#[test]
fn an_expired_certificate_is_refused() {
    let server = TestServer::configured(&["good.example"], 2001, |_, _| {}, hold);
    let text = reason(server.connect("good.example", server.trusting()));
    assert!(text.contains("certificate has expired"), "{text}");
}

#[test]
fn ip_literals_are_verified() {
    for (ip, wrong) in [("::1", "::2"), ("127.0.0.1", "127.0.0.2")] {
        let server = TestServer::start(&[ip], hold);
        server.connect(ip, server.trusting()).unwrap();
        let server = TestServer::start(&[ip], hold);
        let text = reason(server.connect(wrong, server.trusting()));
        assert!(text.contains("IP address mismatch"), "{text}");
    }
}

#[test]
fn without_verification_anything_goes() {
    let server = TestServer::configured(&["good.example"], 2001, |_, _| {}, hold);
    let transport = server.connect("bad.example", TlsOptions::new().reject_unauthorized(false)).unwrap();
    assert!(!transport.s9_socket().tls().unwrap().authorized);
}

#[test]
fn alpn_is_offered_and_the_choice_reported() {
    let configure = |acceptor: &mut SslAcceptorBuilder, _: &Authority| {
        acceptor.set_alpn_select_callback(|_, offered| {
            openssl::ssl::select_next_proto(b"\x02zz\x08http/1.1", offered).ok_or(AlpnError::NOACK)
        });
    };
    let server = TestServer::configured(&["good.example"], 4000, configure, hold);
    let tls = server.trusting().alpn_protocols(["h3", "http/1.1"]).unwrap();
    let transport = server.connect("good.example", tls).unwrap();
    assert_eq!(transport.s9_socket().tls().unwrap().alpn_protocol.as_deref(), Some("http/1.1"));
}

#[test]
fn versions_are_bounded() {
    let server = TestServer::configured(&["good.example"], 4000, only_1_2, hold);
    let tls = server.trusting().min_version(TlsVersion::Tls13).unwrap();
    let text = reason(server.connect("good.example", tls));
    assert!(text.contains("protocol version"), "{text}");
    let server = TestServer::start(&["good.example"], |stream| stream.ssl().version_str());
    let tls = server.trusting().max_version(TlsVersion::Tls12).unwrap();
    server.connect("good.example", tls).unwrap();
    assert_eq!(server.join(), "TLSv1.2");
}

/// A server that demands a certificate and tells whose it got.
fn demanding() -> TestServer<String> {
    let configure = |acceptor: &mut SslAcceptorBuilder, authority: &Authority| {
        acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        acceptor.cert_store_mut().add_cert(X509::from_pem(authority.pem.as_bytes()).unwrap()).unwrap();
    };
    TestServer::configured(&["good.example"], 4000, configure, |stream| {
        let certificate = stream.ssl().peer_certificate().unwrap();
        let names = certificate.subject_alt_names().unwrap();
        names[0].dnsname().unwrap().to_owned()
    })
}

#[test]
fn a_client_certificate_is_presented() {
    let server = demanding();
    let (certificate, key) = server.authority.issue(&["client.example"], 4000);
    let key = format!("Bag Attributes\n    friendlyName: me\n{key}");
    let tls = server.trusting().client_certificate(certificate, key);
    let _transport = server.connect("good.example", tls).unwrap();
    assert_eq!(server.join(), "client.example");
}

#[test]
fn a_pfx_is_presented_and_a_wrong_passphrase_refused() {
    let server = demanding();
    let (certificate, key) = server.authority.issue(&["client.example"], 4000);
    let archive = Pkcs12::builder()
        .pkey(&PKey::private_key_from_pem(key.as_bytes()).unwrap())
        .cert(&X509::from_pem(certificate.as_bytes()).unwrap())
        .build2("secret")
        .unwrap()
        .to_der()
        .unwrap();
    let error = prepare_tls(&TlsOptions::new().pfx(archive.clone(), "guess")).unwrap_err();
    assert!(error.code() == ErrorCode::Tls && error.to_string().contains("PKCS #12"), "{error}");
    let _transport = server.connect("good.example", server.trusting().pfx(archive, "secret")).unwrap();
    assert_eq!(server.join(), "client.example");
}

#[test]
fn unusable_material_is_refused_with_the_way_out() {
    for (label, kind) in
        [("RSA PRIVATE", "PKCS #1"), ("EC PRIVATE", "SEC 1"), ("ENCRYPTED PRIVATE", "encrypted")]
    {
        let key = format!("-----BEGIN {label} KEY-----\nMIIsecret\n-----END {label} KEY-----\n");
        let error = prepare_tls(&TlsOptions::new().client_certificate("", key)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidConfiguration);
        let text = error.to_string();
        assert!(text.contains(kind) && text.contains("openssl pkcs8 -topk8 -nocrypt"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
    for ca in ["-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n", "neither PEM nor DER"] {
        let error = prepare_tls(&TlsOptions::new().ca([ca])).unwrap_err();
        assert!(error.code() == ErrorCode::Tls && error.to_string().contains("certificate of ca"), "{error}");
    }
}

#[test]
fn connectors_are_cached_within_bounds() {
    for index in 0..CACHED_CONNECTORS + 4 {
        prepare_tls(&TlsOptions::new().alpn_protocols([format!("p{index}")]).unwrap()).unwrap();
    }
    assert!(CONNECTORS.lock().unwrap().len() <= CACHED_CONNECTORS);
}

/// Accepts one connection.
fn without_tls(serve: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, thread::JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || serve(listener.accept().unwrap().0)))
}

#[test]
fn a_plain_server_is_a_tls_error() {
    let (address, thread) = without_tls(|mut stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    reason(secure(address, "localhost", TlsOptions::new()));
    thread.join().unwrap();
}

#[test]
fn a_server_that_never_lets_the_handshake_wait_is_left_at_the_deadline() {
    let (address, server) = without_tls(|mut stream| {
        // HelloRequests, which a client may pass over (RFC 5246, section 7.4.1.1).
        let flood = [0x16, 3, 3, 0, 4, 0, 0, 0, 0].repeat(10_000);
        while stream.write_all(&flood).is_ok() {}
    });
    let limit = Duration::from_millis(200);
    let error = secure_within(limit, address, "localhost", TlsOptions::new()).unwrap_err();
    assert!(matches!(error, Error::Timeout { phase: PHASE, .. }), "{error:?}");
    server.join().unwrap();
}

#[test]
fn a_reset_within_the_handshake_is_the_systems_error() {
    let (address, thread) = without_tls(|mut stream| {
        stream.read_exact(&mut [0; 5]).unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let error = secure(address, "localhost", TlsOptions::new()).unwrap_err();
    let Error::Io { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::ConnectionReset, "{error}");
    thread.join().unwrap();
}

#[test]
fn an_end_within_the_handshake_is_no_fault_of_tls() {
    for part in [&b""[..], &[0x16, 3, 3, 0, 90, 2]] {
        let (address, thread) = without_tls(move |mut stream| {
            stream.write_all(part).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let error = secure(address, "localhost", TlsOptions::new()).unwrap_err();
        let Error::Io { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.kind(), io::ErrorKind::UnexpectedEof, "{error}");
        assert_eq!(error.to_string(), "TLS handshake with \"localhost\": the server ended the stream");
        thread.join().unwrap();
    }
}

/// The kernel tells of a reset once, and a write that has been taken in part cannot tell it on.
#[test]
fn a_write_cut_short_by_a_reset_is_told_by_the_next() {
    let server = TestServer::start(&["good.example"], |mut stream| {
        stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
        SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let mut transport = server.connect("good.example", server.trusting()).unwrap();
    transport.set_blocking(None).unwrap();
    let bytes = vec![0; 64 << 20];
    let taken = transport.write(&bytes).unwrap();
    assert!(taken < bytes.len());
    assert_eq!(transport.write(&bytes[taken..]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_truncated_stream_is_no_clean_end() {
    let server = TestServer::start(&["good.example"], |mut stream| {
        stream.write_all(b"half a mess").unwrap();
        // Closes the socket and says nothing on TLS's level.
        drop(stream);
    });
    let mut transport = server.connect("good.example", server.trusting()).unwrap();
    transport.set_blocking(None).unwrap();
    let mut bytes = Vec::new();
    let error = Error::io("reading", transport.read_to_end(&mut bytes).unwrap_err());
    assert_eq!((bytes.as_slice(), error.code()), (&b"half a mess"[..], ErrorCode::Tls));
    let again = Error::io("reading", transport.read(&mut [0; 9]).unwrap_err());
    assert_eq!(again.code(), ErrorCode::Tls, "however often it is asked");
}

#[test]
fn a_close_notify_is_a_clean_end() {
    let server = TestServer::start(&["good.example"], |mut stream| {
        stream.write_all(b"all").unwrap();
        stream.shutdown().unwrap();
    });
    let mut transport = server.connect("good.example", server.trusting()).unwrap();
    transport.set_blocking(None).unwrap();
    let mut bytes = Vec::new();
    transport.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"all");
    assert_eq!(transport.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn dropping_sends_close_notify_behind_what_was_written() {
    let (wrote, written) = mpsc::channel();
    let server = TestServer::start(&["good.example"], move |mut stream| {
        let mut heard = Vec::new();
        stream.write_all(&[7; 4096]).unwrap();
        wrote.send(()).unwrap();
        stream.read_to_end(&mut heard).unwrap();
        (heard, stream.get_shutdown().contains(ShutdownState::RECEIVED))
    });
    let mut transport = server.connect("good.example", server.trusting()).unwrap();
    written.recv().unwrap();
    transport.write_all(b"last words").unwrap();
    drop(transport);
    assert_eq!(server.join(), (b"last words".to_vec(), true));
}

#[test]
fn a_turn_reads_the_kernel_once_below_tls_too() {
    let (go, gone) = mpsc::channel();
    let server = TestServer::start(&["good.example"], move |mut stream| {
        for text in ["one", "two"] {
            gone.recv().unwrap();
            stream.write_all(text.as_bytes()).unwrap();
        }
        hold(stream);
    });
    let mut transport = server.connect("good.example", server.trusting()).unwrap();
    let mut deadline = Deadline::start(LONG, &Canceller::new()).unwrap();
    let mut bytes = [0; 16];
    let mut read_one = |transport: &mut Transport| loop {
        transport.begin_turn();
        match transport.read(&mut bytes) {
            Ok(count) => break bytes[..count].to_vec(),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        let interest = Interest { read: true, write: false };
        deadline.wait_for_socket("test", &Arc::clone(transport.socket()), interest).unwrap();
    };
    go.send(()).unwrap();
    assert_eq!(read_one(&mut transport), b"one");
    assert!(transport.has_read());
    // The kernel could be asked to wait now, and would for ever: the second is not on its way.
    transport.set_blocking(None).unwrap();
    assert_eq!(transport.read(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    transport.set_non_blocking().unwrap();
    go.send(()).unwrap();
    assert_eq!(read_one(&mut transport), b"two");
}

#[test]
fn a_large_write_goes_out_in_few_calls_and_unharmed() {
    const SIZE: usize = 64 << 20;
    let server = TestServer::start(&["good.example"], |mut stream| {
        let mut count = 0_usize;
        let mut intact = true;
        let mut bytes = vec![0; 1 << 16];
        while count < SIZE {
            let read = stream.read(&mut bytes).unwrap();
            intact &= bytes[..read].iter().enumerate().all(|(at, byte)| *byte == pattern(count + at));
            count += read;
        }
        intact
    });
    let mut transport = server.connect("good.example", server.trusting()).unwrap();
    let bytes: Vec<u8> = (0..SIZE).map(pattern).collect();
    let mut deadline = Deadline::start(LONG, &Canceller::new()).unwrap();
    let mut sent = 0;
    let (mut calls, mut waits) = (0, 0);
    while sent < SIZE {
        match transport.write(&bytes[sent..]) {
            Ok(count) => {
                sent += count;
                calls += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                waits += 1;
                let interest = Interest { read: false, write: true };
                deadline.wait_for_socket("test", &Arc::clone(transport.socket()), interest).unwrap();
            }
        }
    }
    // A call ends where the kernel would block, not after each of 4,096 records.
    assert!(calls < 400, "{calls} calls, {waits} waits");
    assert!(server.join());
}

/// Sends a HelloRequest (RFC 5246, section 7.4.1.1); what the client answers, the next read takes.
fn ask_for_new_keys(stream: &mut SslStream<TcpStream>) {
    unsafe extern "C" {
        fn SSL_renegotiate(ssl: *mut std::ffi::c_void) -> std::ffi::c_int;
    }
    let ssl = std::ptr::from_ref(stream.ssl()).cast_mut();
    // SAFETY: a reference to what the library owns is at its address; the stream is used nowhere else.
    assert_eq!(unsafe { SSL_renegotiate(ssl.cast()) }, 1);
    stream.do_handshake().unwrap();
}

fn only_1_2(acceptor: &mut SslAcceptorBuilder, _: &Authority) {
    acceptor.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
}

/// Answers an upgrade, asks for new keys and sends "one" behind that; what the client makes of the former is
/// answered `lag` later, behind "more". What the client sends up to its Close.
fn renegotiating(lag: Duration) -> TestServer<Vec<u8>> {
    TestServer::configured(&["localhost"], 4000, only_1_2, move |mut stream| {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        let request = String::from_utf8(request).unwrap();
        let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().lines().next().unwrap();
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let head = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
        stream.write_all(format!("{head}{accept}\r\n\r\n").as_bytes()).unwrap();
        ask_for_new_keys(&mut stream);
        stream.write_all(&[0x81, 3, b'o', b'n', b'e']).unwrap();
        thread::sleep(lag);
        stream.write_all(&[0x81, 4, b'm', b'o', b'r', b'e']).unwrap();
        let mut received = Vec::new();
        // An empty text and a Close with a code, masked.
        while received.len() < 6 + 8 {
            let mut bytes = [0; 64];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "the client has gone");
            received.extend(&bytes[..count]);
        }
        stream.write_all(&[0x88, 2, 3, 0xe8]).unwrap();
        received
    })
}

/// Answers the first text with an empty one, and closes.
#[derive(Default)]
struct Answering {
    turns: usize,
    log: Vec<String>,
}

impl S9WebSocketClientHandler<Session> for Answering {
    fn on_poll(&mut self, _: &mut Session) {
        self.turns += 1;
    }

    fn on_event(&mut self, session: &mut Session, event: WebSocketEvent) {
        if matches!(event, WebSocketEvent::TextMessage(_)) && self.log.len() == 1 {
            session.send_text_message("").unwrap();
            session.close(None).unwrap();
        }
        self.log.push(format!("{event:?}"));
    }
}

#[test]
fn a_message_sent_while_keys_are_agreed_on_anew_waits_for_that_without_spinning() {
    for blocking in [false, true] {
        let server = renegotiating(Duration::from_millis(100));
        let url = format!("wss://localhost:{}", server.port());
        let canceller = Canceller::new();
        let mut session = if blocking {
            let options = BlockingOptions::new().tls(server.trusting());
            Session::connect_blocking(&url, &[], options, &canceller).unwrap()
        } else {
            let options = NonBlockingOptions::new().tls(server.trusting());
            let options = options.spin_wait_duration(Some(LONG)).unwrap();
            Session::connect_non_blocking(&url, &[], options, &canceller).unwrap()
        };
        session.set_blocking().unwrap();
        let mut answering = Answering::default();
        run(&mut session, &mut answering);
        let received = server.join();
        assert_eq!((received[0], received[6]), (0x81, 0x88), "{received:x?}");
        assert!(answering.log[2].contains("more"), "{:?}", answering.log);
        assert!(answering.log[3].starts_with("ConnectionClosed"), "{:?}", answering.log);
        assert!(answering.turns < 50, "{} turns", answering.turns);
    }
}

#[test]
fn a_write_goes_on_once_reads_have_brought_what_it_waits_for() {
    let server = TestServer::configured(&["good.example"], 4000, only_1_2, |mut stream| {
        ask_for_new_keys(&mut stream);
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        byte[0]
    });
    let mut transport = server.connect("good.example", server.trusting()).unwrap();
    let mut deadline = Deadline::start(LONG, &Canceller::new()).unwrap();
    let mut read = |transport: &mut Transport| {
        let interest = Interest { read: true, write: false };
        deadline.wait_for_socket("test", &Arc::clone(transport.socket()), interest).unwrap();
        transport.begin_turn();
        assert_eq!(transport.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    };
    read(&mut transport);
    while transport.write(&[7]).is_err() {
        assert!(transport.write_waits_for_read());
        read(&mut transport);
        assert!(!transport.write_waits_for_read(), "a loop would wait for more");
    }
    assert_eq!(server.join(), 7);
}

fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}
