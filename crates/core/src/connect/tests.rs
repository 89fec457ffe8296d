#![allow(clippy::unwrap_used)]

use std::{
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    error::{ErrorCode, RefusedUpgrade},
    tls_options::TlsOptions,
    transport::TlsTestServer,
};

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

/// A server for one connection: reads the request and lets `answer` do the rest.
fn serve<T: Send + 'static>(
    answer: impl FnOnce(TcpStream, String) -> T + Send + 'static,
) -> (SocketAddr, thread::JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.set_nodelay(true).unwrap();
        let request = read_request(&mut stream);
        answer(stream, request)
    });
    (address, thread)
}

fn read_request(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "the request ended early");
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

fn field<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn accept_field(request: &str) -> String {
    let key = field(request, "Sec-WebSocket-Key").unwrap();
    format!("Sec-WebSocket-Accept: {}\r\n", derive_accept_key(key.as_bytes()))
}

fn options() -> ConnectionOptions {
    ConnectionOptions { connect_timeout: Duration::from_secs(20), ..ConnectionOptions::default() }
}

fn connect_to(url: &str, options: &ConnectionOptions) -> Result<Upgraded> {
    connect(url, &[], options, &Canceller::new())
}

/// What a client makes of `head` and the fields of a good answer.
fn answer_with(head: &'static str, offered: &[&str]) -> Result<Upgraded> {
    let (address, server) = serve(move |mut stream, request| {
        let answer = head.replace("$ACCEPT\r\n", &accept_field(&request));
        stream.write_all(answer.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read(&mut [0; 16]);
    });
    let subprotocols = offered.iter().map(|name| (*name).to_owned()).collect();
    let result = connect_to(&format!("ws://{address}"), &ConnectionOptions { subprotocols, ..options() });
    let result = result.map(|mut upgraded| {
        upgraded.transport.abort();
        upgraded
    });
    server.join().unwrap();
    result
}

fn refusal(error: Error) -> (String, RefusedUpgrade) {
    match error {
        Error::Handshake { reason, response: Some(response) } => (reason, *response),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_request_is_what_the_rfc_asks_for() {
    let (address, server) = serve(|mut stream, request| {
        stream.write_all(format!("{ACCEPTED}{}\r\n", accept_field(&request)).as_bytes()).unwrap();
        request
    });
    let subprotocols = vec!["a".to_owned(), "b".to_owned()];
    let options = ConnectionOptions { subprotocols, ..options() };
    let extra = [("X-Id".to_owned(), "7".to_owned()), ("X-Id".to_owned(), "8".to_owned())];
    let upgraded = connect(&format!("ws://{address}?x=1"), &extra, &options, &Canceller::new()).unwrap();
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /?x=1 HTTP/1.1\r\n"), "{request}");
    assert_eq!(field(&request, "Host"), Some(address.to_string().as_str()));
    assert_eq!(field(&request, "Upgrade"), Some("websocket"));
    assert_eq!(field(&request, "Connection"), Some("Upgrade"));
    assert_eq!(field(&request, "Sec-WebSocket-Version"), Some("13"));
    assert_eq!(field(&request, "Sec-WebSocket-Protocol"), Some("a, b"));
    assert!(request.contains("x-id: 7\r\nx-id: 8\r\n"), "{request}");
    assert_eq!(upgraded.response.status, 101);
    assert_eq!(upgraded.response.subprotocol, None, "a server may choose none");
    assert!(upgraded.response.headers.contains(&("upgrade".into(), "websocket".into())));
}

#[test]
fn an_answer_in_single_bytes_is_accepted_and_nothing_after_it_is_lost() {
    let (address, server) = serve(|mut stream, request| {
        let answer = format!("{ACCEPTED}{}\r\n\u{81}\u{2}hi", accept_field(&request));
        let answer: Vec<u8> = answer.chars().map(|character| character as u8).collect();
        for byte in answer {
            stream.write_all(&[byte]).unwrap();
        }
        stream
    });
    let mut upgraded = connect_to(&format!("ws://{address}"), &options()).unwrap();
    drop(server.join().unwrap());
    upgraded.transport.set_blocking(None).unwrap();
    let mut stream = upgraded.tail;
    upgraded.transport.read_to_end(&mut stream).unwrap();
    assert_eq!(stream, b"\x81\x02hi");
}

#[test]
fn bytes_that_come_with_the_answer_are_its_tail() {
    let upgraded = answer_with(
        "HTTP/1.1 101 Yes\r\nupgrade: h2c, WebSocket\r\nConnection: keep-alive\r\n\
         Connection: foo, Upgrade\r\n$ACCEPT\r\n\r\nfirst frames",
        &[],
    )
    .unwrap();
    assert_eq!(upgraded.tail, b"first frames");
}

#[test]
fn an_interim_response_is_passed_over() {
    let head = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n\
                Connection: upgrade\r\n$ACCEPT\r\n\r\n";
    assert_eq!(answer_with(head, &[]).unwrap().response.status, 101);
}

#[test]
fn the_chosen_subprotocol_is_reported_and_must_have_been_offered() {
    let head = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n$ACCEPT\r\n\
                Sec-WebSocket-Protocol: b\r\n\r\n";
    assert_eq!(answer_with(head, &["a", "b"]).unwrap().response.subprotocol.as_deref(), Some("b"));
    for offered in [&["a"][..], &[]] {
        let (reason, response) = refusal(answer_with(head, offered).unwrap_err());
        assert!(reason.contains("the subprotocol \"b\", which was not offered"), "{reason}");
        assert_eq!(response.status, 101);
    }
}

#[test]
fn a_101_that_is_none_is_refused_with_the_reason() {
    for (head, expected) in [
        ("HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\n$ACCEPT\r\n\r\n", "Upgrade: websocket"),
        ("HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\n$ACCEPT\r\n\r\n", "Connection: Upgrade"),
        (
            "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: c3VyZWx5IG5vdA==\r\n\r\n",
            "not the answer to our key",
        ),
        (
            "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n$ACCEPT\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            "\"permessage-deflate\", which was not offered",
        ),
    ] {
        let (reason, _) = refusal(answer_with(head, &[]).unwrap_err());
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn a_refusal_carries_status_headers_and_body() {
    for head in [
        "HTTP/1.1 403 Forbidden\r\nX-Why: \u{b6}\r\nContent-Length: 5\r\n\r\nno go and more",
        "HTTP/1.1 403 Forbidden\r\nX-Why: \u{b6}\r\n\r\nno go",
        "HTTP/1.0 403 Forbidden\r\nX-Why: \u{b6}\r\n\r\nno go",
        "HTTP/1.1 403 Forbidden\r\nX-Why: \u{b6}\r\nTransfer-Encoding: chunked\r\n\r\n\
         2;a=b\r\nno\r\n3\r\n go\r\n0\r\n\r\n",
    ] {
        let error = answer_with(head, &[]).unwrap_err();
        assert_eq!(error.to_string(), "upgrade refused: the server answered 403 Forbidden");
        let (_, response) = refusal(error);
        assert_eq!((response.status, &response.body[..]), (403, &b"no go"[..]), "{head}");
        assert_eq!(response.headers[0], ("x-why".to_owned(), "\u{b6}".to_owned()));
    }
}

#[test]
fn of_an_endless_body_64_kib_are_kept() {
    let (address, server) = serve(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 500 Oops\r\n\r\n").unwrap();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let (_, response) = refusal(connect_to(&format!("ws://{address}"), &options()).unwrap_err());
    assert_eq!(response.body.len(), 64 << 10);
    server.join().unwrap();
}

/// What is not kept counts too: else it is for the server to say how long the connect takes.
#[test]
fn a_chunked_body_that_is_all_framing_ends() {
    for endless in ["1;extension", "000", "1\r\nx\r\n"] {
        let (address, server) = serve(move |mut stream, _| {
            stream.write_all(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
            while stream.write_all(endless.repeat(1000).as_bytes()).is_ok() {}
        });
        let (_, response) = refusal(connect_to(&format!("ws://{address}"), &options()).unwrap_err());
        assert_eq!(response.status, 403);
        server.join().unwrap();
    }
}

#[test]
fn a_body_that_stops_coming_does_not_hide_the_refusal() {
    let (address, server) = serve(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
        stream
    });
    let options = ConnectionOptions { connect_timeout: Duration::from_millis(100), ..options() };
    let (_, response) = refusal(connect_to(&format!("ws://{address}"), &options).unwrap_err());
    assert_eq!((response.status, &response.body[..]), (401, &b"half"[..]));
    drop(server.join().unwrap());
}

#[test]
fn a_redirect_is_refused_and_the_server_it_leads_to_is_named() {
    let head = "HTTP/1.1 302 Found\r\nLocation: wss://me:pw@elsewhere.example/key?token\r\nContent-Length: 0\r\n\r\n";
    let (reason, response) = refusal(answer_with(head, &[]).unwrap_err());
    assert!(reason.ends_with("Location is \"wss://elsewhere.example/\u{2026}\""), "{reason}");
    assert_eq!(response.headers[0].1, "wss://me:pw@elsewhere.example/key?token");
}

#[test]
fn what_is_no_answer_is_told_apart() {
    for (head, expected) in [
        ("", "without an answer"),
        ("HTTP/1.1 10", "within its answer"),
        ("SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        ("HTTP/1.1 abc Nope\r\n\r\n", "not valid HTTP"),
        ("HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "not valid HTTP"),
    ] {
        let error = answer_with(head, &[]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Handshake);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn endless_headers_are_refused() {
    let (address, server) = serve(|mut stream, _| {
        stream.write_all(b"HTTP/1.1 101 Yes\r\nX: ").unwrap();
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let error = connect_to(&format!("ws://{address}"), &options()).unwrap_err();
    assert!(error.to_string().contains("65536 bytes of headers"), "{error}");
    server.join().unwrap();
}

#[test]
fn the_deadline_holds_over_a_server_that_says_nothing() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let limit = Duration::from_millis(50);
    let options = ConnectionOptions { connect_timeout: limit, ..options() };
    for (scheme, expected) in [("ws", "upgrade"), ("wss", "TLS handshake")] {
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let error = connect_to(&url, &options).unwrap_err();
        let Error::Timeout { phase, after, .. } = error else { panic!("{error:?}") };
        assert_eq!((phase, after), (expected, limit));
    }
}

#[test]
fn a_connect_can_be_cancelled_before_and_during_it() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let canceller = Canceller::new();
    let thread = thread::spawn({
        let canceller = canceller.clone();
        move || {
            // The request having come, the client waits for the answer or is about to.
            let mut stream = listener.accept().unwrap().0;
            read_request(&mut stream);
            canceller.cancel();
            stream
        }
    });
    let started = Instant::now();
    for _ in 0..2 {
        let error = connect(&url, &[], &options(), &canceller).unwrap_err();
        assert_eq!(error.to_string(), "connection closed: the connect was cancelled");
    }
    assert!(started.elapsed() < options().connect_timeout / 2, "woken, not timed out");
    drop(thread.join().unwrap());
}

#[test]
fn over_tls_the_upgrade_is_the_same() {
    let server = TlsTestServer::start(&["localhost"], |mut stream| {
        let request = read_request(&mut stream);
        stream.write_all(format!("{ACCEPTED}{}\r\ntail", accept_field(&request)).as_bytes()).unwrap();
        request
    });
    let tls = TlsOptions::new().ca([server.ca()]);
    let url = format!("wss://localhost:{}/feed", server.port());
    let mut upgraded = connect_to(&url, &ConnectionOptions { tls, ..options() }).unwrap();
    assert!(server.join().starts_with("GET /feed HTTP/1.1\r\nHost: localhost:"));
    let socket = upgraded.transport.s9_socket();
    assert_eq!(socket.tls().unwrap().servername, "localhost");
    upgraded.transport.set_blocking(None).unwrap();
    let mut stream = upgraded.tail;
    upgraded.transport.read_to_end(&mut stream).unwrap_err();
    assert_eq!(stream, b"tail");
}

#[test]
fn user_info_becomes_basic_authorization_unless_a_header_says_otherwise() {
    let target = Target::parse("ws://us%C3%A9r:p%40ss@h").unwrap();
    let sent = |headers: &HeaderMap| {
        String::from_utf8(request(&target, "key", headers, &options()).unwrap()).unwrap()
    };
    let expected = format!("Basic {}", BASE64.encode("us\u{e9}r:p@ss"));
    assert_eq!(field(&sent(&HeaderMap::new()), "Authorization"), Some(expected.as_str()));
    let extra = [("Authorization".to_owned(), "Bearer t".to_owned())];
    let text = sent(&merged(&HeaderMap::new(), &extra).unwrap());
    assert_eq!(field(&text, "Authorization"), Some("Bearer t"));
    assert_eq!(text.matches("uthorization").count(), 1);
}

#[test]
fn a_host_header_replaces_ours_and_extra_headers_replace_those_of_the_options() {
    let mut options = options();
    options.add_headers([("Host", "a.example"), ("X-A", "1"), ("X-B", "2")]).unwrap();
    let extra =
        [("x-a", "3"), ("HOST", "b.example")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers = merged(&options.headers, &extra).unwrap();
    let target = Target::parse("ws://h").unwrap();
    let text = String::from_utf8(request(&target, "key", &headers, &options).unwrap()).unwrap();
    assert_eq!(field(&text, "host"), Some("b.example"));
    assert_eq!(text.to_lowercase().matches("\r\nhost: ").count(), 1, "{text}");
    assert_eq!((field(&text, "x-a"), field(&text, "x-b")), (Some("3"), Some("2")));
    let twice = [("host", "a"), ("host", "b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(merged(&HeaderMap::new(), &twice).unwrap_err().code(), ErrorCode::InvalidConfiguration);
    let split = [("x-a".to_owned(), "1\r\nX-Evil: 1".to_owned())];
    assert_eq!(merged(&HeaderMap::new(), &split).unwrap_err().code(), ErrorCode::InvalidConfiguration);
}

#[test]
fn urls_become_targets() {
    for (url, secure, host, port, authority, resource) in [
        ("ws://h", false, "h", 80, "h", "/"),
        ("WSS://H:443/a b?c", true, "h", 443, "h", "/a%20b?c"),
        ("ws://h:8080?x=1", false, "h", 8080, "h:8080", "/?x=1"),
        ("wss://[::1]:9/", true, "::1", 9, "[::1]:9", "/"),
        ("ws://[::1]", false, "::1", 80, "[::1]", "/"),
        ("ws://b\u{fc}cher.example", false, "xn--bcher-kva.example", 80, "xn--bcher-kva.example", "/"),
    ] {
        let target = Target::parse(url).unwrap();
        assert_eq!(
            (target.secure, &*target.host, target.port, &*target.authority, &*target.resource),
            (secure, host, port, authority, resource)
        );
    }
}

#[test]
fn a_bad_tls_option_is_found_before_anything_is_sent() {
    let tls = TlsOptions::new().client_certificate("", "no key");
    // The name does not resolve, which would be the error otherwise.
    let error =
        connect_to("wss://no-such-host.invalid", &ConnectionOptions { tls, ..options() }).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidConfiguration);
}
