//! What one client sees: echoes, control frames, the close handshake, subprotocols, refusals.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod client;

use std::{
    io::{Read, Write},
    net::TcpListener,
    time::Instant,
};

use client::{Client, DEADLINE, assert_echoes, connect, plain_server, tcp, tls, tls_server};
use s9_websocket_echo::{EchoOptions, EchoServer, EchoTls};
use tungstenite::{
    Bytes, Error, Message,
    client::IntoClientRequest,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

const SIZES: [usize; 9] = [0, 1, 125, 126, 65_535, 65_536, 200_000, 1 << 20, 8 << 20];

fn text(size: usize) -> Message {
    let mut text = "añ€😀".repeat(size / 10 + 1);
    text.truncate((0..=size).rev().find(|&end| text.is_char_boundary(end)).unwrap());
    Message::text(text)
}

fn binary(size: usize) -> Message {
    Message::binary((0..size).map(|at| (at * 31 + at / 256) as u8).collect::<Vec<_>>())
}

fn every_size_comes_back(mut client: Client) {
    for size in SIZES {
        assert_echoes(&mut client, text(size));
        assert_echoes(&mut client, binary(size));
    }
}

#[test]
fn every_size_comes_back_plain() {
    every_size_comes_back(connect(&plain_server()));
}

#[test]
fn every_size_comes_back_over_tls() {
    every_size_comes_back(connect(&tls_server()));
}

#[test]
fn every_size_comes_back_from_a_spinning_server() {
    let server = EchoServer::start(EchoOptions { spin: true, ..EchoOptions::default() }).unwrap();
    every_size_comes_back(connect(&server));
}

fn a_burst_comes_back_in_order(server: &EchoServer) {
    let mut client = connect(server);
    for at in 0..1_000 {
        client.write(Message::text(format!("message {at}"))).unwrap();
    }
    client.flush().unwrap();
    for at in 0..1_000 {
        assert_eq!(client.read().unwrap(), Message::text(format!("message {at}")));
    }
}

#[test]
fn a_burst_comes_back_in_order_plain() {
    a_burst_comes_back_in_order(&plain_server());
}

#[test]
fn a_burst_comes_back_in_order_over_tls() {
    a_burst_comes_back_in_order(&tls_server());
}

#[test]
fn fragments_come_back_as_one_message_with_the_ping_between_them_answered() {
    let server = plain_server();
    let mut client = connect(&server);
    let fragment = |text: &'static str, data, last| {
        Message::Frame(Frame::message(Bytes::from_static(text.as_bytes()), OpCode::Data(data), last))
    };
    client.write(fragment("one ", Data::Text, false)).unwrap();
    client.write(fragment("two ", Data::Continue, false)).unwrap();
    client.write(Message::Ping("between".into())).unwrap();
    client.write(fragment("three", Data::Continue, true)).unwrap();
    client.flush().unwrap();
    assert_eq!(client.read().unwrap(), Message::Pong("between".into()));
    assert_eq!(client.read().unwrap(), "one two three".into());
}

#[test]
fn a_frame_arriving_byte_by_byte_comes_back() {
    let server = plain_server();
    let mut client = connect(&server);
    // Masked with zeros: RFC 6455, section 5.2.
    for byte in [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'] {
        client.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(client.read().unwrap(), "hi".into());
}

#[test]
fn ping_is_answered_and_pong_is_not() {
    for server in [plain_server(), tls_server()] {
        let mut client = connect(&server);
        client.send(Message::Pong("unasked".into())).unwrap();
        client.send(Message::Ping("are you there".into())).unwrap();
        assert_eq!(client.read().unwrap(), Message::Pong("are you there".into()));
    }
}

#[test]
fn close_is_answered_with_its_code_and_tcp_is_closed() {
    let frames = [Some(CloseFrame { code: CloseCode::Library(4_321), reason: "done".into() }), None];
    for server in [plain_server(), tls_server()] {
        for frame in frames.clone() {
            let mut client = connect(&server);
            client.write("last words".into()).unwrap();
            client.close(frame.clone()).unwrap();
            assert_eq!(client.read().unwrap(), "last words".into());
            assert_eq!(client.read().unwrap(), Message::Close(frame));
            // tungstenite's client says so only once the server has closed TCP.
            assert!(matches!(client.read(), Err(Error::ConnectionClosed)));
            let mut rest = [0; 1];
            assert_eq!(client.get_mut().read(&mut rest).unwrap(), 0);
        }
    }
}

fn close_code_after(bytes: &[u8]) -> CloseCode {
    let server = plain_server();
    let mut client = connect(&server);
    client.get_mut().write_all(bytes).unwrap();
    let Message::Close(Some(frame)) = client.read().unwrap() else { panic!("no Close frame") };
    let ends = client.get_mut().read(&mut [0]);
    assert!(matches!(ends, Ok(0)), "{ends:?} in place of a clean end");
    // What is still on its way is taken and discarded: no reset that could overtake the Close.
    for _ in 0..100 {
        client.get_mut().write_all(&[0]).unwrap();
    }
    frame.code
}

#[test]
fn violations_are_closed_with_their_code() {
    let masked_invalid_utf8 = [0x81, 0x81, 0, 0, 0, 0, 0xff];
    let unmasked = [0x81, 0x02, b'h', b'i'];
    let over_64_mib = [0x82, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0];
    let unmasked_and_more = [unmasked.as_slice(), &[0; 100_000]].concat();
    assert_eq!(close_code_after(&masked_invalid_utf8), CloseCode::Invalid);
    assert_eq!(close_code_after(&unmasked), CloseCode::Protocol);
    assert_eq!(close_code_after(&unmasked_and_more), CloseCode::Protocol);
    assert_eq!(close_code_after(&over_64_mib), CloseCode::Size);
}

#[test]
fn the_first_subprotocol_offered_is_selected() {
    let server = plain_server();
    let selected = |offered: Option<&str>| {
        let mut request = server.url().into_client_request().unwrap();
        if let Some(offered) = offered {
            request.headers_mut().insert("Sec-WebSocket-Protocol", offered.parse().unwrap());
        }
        let (_, response) = tungstenite::client(request, tcp(server.port())).unwrap();
        let header = response.headers().get("Sec-WebSocket-Protocol");
        header.map(|selected| selected.to_str().unwrap().to_owned())
    };
    assert_eq!(selected(Some("mqtt, stomp")).as_deref(), Some("mqtt"));
    assert_eq!(selected(None), None);
}

#[test]
fn a_plain_http_request_is_answered_426() {
    let server = plain_server();
    let mut tcp = tcp(server.port());
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut response = String::new();
    tcp.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{response}");
    assert!(response.to_ascii_lowercase().contains("\r\nsec-websocket-version: 13\r\n"), "{response}");
}

#[test]
fn a_frame_sent_with_the_request_is_echoed() {
    let server = plain_server();
    let mut tcp = tcp(server.port());
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tcp.write_all(&[request.as_slice(), &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']].concat()).unwrap();
    let mut response = Vec::new();
    let mut byte = [0];
    while !response.ends_with(b"\r\n\r\n\x81\x02hi") {
        tcp.read_exact(&mut byte).unwrap();
        response.push(byte[0]);
    }
    assert!(response.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn the_certificate_is_good_for_localhost_and_both_loopback_addresses_only() {
    let server = tls_server();
    let ca_pem = server.ca_pem().unwrap();
    for name in ["localhost", "127.0.0.1", "::1"] {
        tls(server.port(), ca_pem, name).unwrap();
    }
    assert!(tls(server.port(), ca_pem, "example.test").is_err());
    let other = tls_server();
    assert!(tls(server.port(), other.ca_pem().unwrap(), "localhost").is_err());
}

#[test]
fn a_certificate_of_ones_own_is_used() {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["echo.test".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    let pem = EchoTls::Pem { cert: cert.clone(), key: key.serialize_pem() };
    assert!(!format!("{pem:?}").contains("PRIVATE KEY"));
    let server = EchoServer::start(EchoOptions { tls: Some(pem), ..EchoOptions::default() }).unwrap();
    assert_eq!(server.ca_pem(), None);
    let stream = tls(server.port(), &cert, "echo.test").unwrap();
    let (mut client, _) = tungstenite::client(server.url(), stream).unwrap();
    client.send("hello".into()).unwrap();
    assert_eq!(client.read().unwrap(), "hello".into());
}

#[test]
fn an_unusable_certificate_or_address_is_an_error_of_start() {
    let pem = EchoTls::Pem { cert: "no".to_owned(), key: "certificate".to_owned() };
    let error = EchoServer::start(EchoOptions { tls: Some(pem), ..EchoOptions::default() }).unwrap_err();
    assert!(error.to_string().starts_with("certificate or key: "), "{error}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = EchoServer::start(EchoOptions { port, ..EchoOptions::default() }).unwrap_err();
    assert!(error.to_string().contains(&format!("127.0.0.1 port {port}")), "{error}");
}

#[test]
fn port_0_takes_a_free_port_and_url_names_it() {
    let (plain, tls) = (plain_server(), tls_server());
    assert_ne!(plain.port(), tls.port());
    assert_eq!(plain.url(), format!("ws://127.0.0.1:{}", plain.port()));
    assert_eq!(tls.url(), format!("wss://localhost:{}", tls.port()));
}

#[test]
fn stop_says_1001_and_frees_the_port() {
    let server = plain_server();
    let mut client = connect(&server);
    assert_echoes(&mut client, "hello".into());
    let begun = Instant::now();
    server.stop();
    server.stop();
    assert!(begun.elapsed() < DEADLINE);
    let Message::Close(Some(frame)) = client.read().unwrap() else { panic!("no Close frame") };
    assert_eq!(frame.code, CloseCode::Away);
    EchoServer::start(EchoOptions { port: server.port(), ..EchoOptions::default() }).unwrap();
}

#[test]
fn stop_says_1001_to_those_who_stayed() {
    let server = plain_server();
    let mut clients: Vec<_> = (0..3).map(|_| connect(&server)).collect();
    for client in &mut clients {
        assert_echoes(client, "hello".into());
    }
    drop(clients.remove(1));
    for _ in 0..2 {
        // By the second answer, the place between the two is empty.
        clients.iter_mut().for_each(|client| assert_echoes(client, "still here".into()));
    }
    server.stop();
    for client in &mut clients {
        let Message::Close(Some(frame)) = client.read().unwrap() else { panic!("no Close frame") };
        assert_eq!(frame.code, CloseCode::Away);
    }
}
