//! permessage-deflate from the upgrade on, over real sockets.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;
#[allow(dead_code)]
mod server;

use std::{
    io::{Read, Write},
    net::Shutdown,
    time::Duration,
};

use bytes::Bytes;
use s9_websocket_core::{
    Canceller, ControlMessage, Error, ErrorCode, NonBlockingOptions, PerMessageDeflateOptions,
    S9AsyncNonBlockingWebSocketClient, S9NonBlockingWebSocketClient, S9WebSocketClientHandler, Session, Turn,
    WebSocketEvent, run, turn,
};
use script::{CLOSE, Frame, RSV1, TEXT, client_frames, close_frame, line, raw_frame};
use server::{LONG, Server, serve_raw_with};

const AGREED: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
/// "Hello" (RFC 7692, section 7.2.3.1), and the same again out of the context (7.2.3.2).
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const HELLO_AGAIN: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];

fn options(deflate: Option<PerMessageDeflateOptions>) -> NonBlockingOptions {
    NonBlockingOptions::new().connect_timeout(LONG).unwrap().per_message_deflate(deflate)
}

fn everything() -> Option<PerMessageDeflateOptions> {
    Some(PerMessageDeflateOptions::new().threshold(0))
}

/// A server that answers with `fields`, sends "Hello" with the answer and once more, closes, and gives
/// back the request and all frames it was sent.
fn greeter(fields: &'static str) -> Server<(String, Vec<Frame>)> {
    let tail = [raw_frame(0x80 | RSV1 | TEXT, HELLO), raw_frame(0x80 | RSV1 | TEXT, HELLO_AGAIN)].concat();
    serve_raw_with(fields, tail, |mut tcp, request| {
        let mut sent = Vec::new();
        let mut chunk = [0; 4096];
        let mut closed = false;
        loop {
            match tcp.read(&mut chunk) {
                // A client that has said why does not wait for the answer.
                Ok(0) | Err(_) => return (request, client_frames(&sent).0),
                Ok(count) => sent.extend_from_slice(&chunk[..count]),
            }
            // Answers the client's Close.
            if !closed && client_frames(&sent).0.last().is_some_and(|frame| frame.opcode == CLOSE) {
                let _ = tcp.write_all(&close_frame(1000, ""));
                let _ = tcp.shutdown(Shutdown::Write);
                closed = true;
            }
        }
    })
}

fn offered(request: &str) -> Option<&str> {
    request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "))
}

/// Answers each of two texts, the second uncompressed, and closes.
#[derive(Default)]
struct Answering {
    texts: Vec<Bytes>,
    errors: Vec<Error>,
}

impl S9WebSocketClientHandler<S9NonBlockingWebSocketClient> for Answering {
    fn on_text_message(&mut self, client: &mut S9NonBlockingWebSocketClient, text: Bytes) {
        self.texts.push(text);
        if self.texts.len() == 1 {
            client.send_text_message("Hello").unwrap();
            client.send_binary_message("Hello").unwrap();
        } else {
            client.send_text_message_uncompressed("Hello").unwrap();
            client.send_binary_message_uncompressed("Hello").unwrap();
            client.close(None).unwrap();
        }
    }

    fn on_error(&mut self, _: &mut S9NonBlockingWebSocketClient, error: Error) {
        self.errors.push(error);
    }
}

fn assert_two_compressed_and_two_plain(frames: &[Frame]) {
    let sent: Vec<_> = frames.iter().take(4).map(|frame| (frame.compressed, frame.opcode)).collect();
    assert_eq!(sent, [(true, 1), (true, 2), (false, 1), (false, 2)]);
    assert_eq!([&frames[2].payload[..], &frames[3].payload[..]], [b"Hello", b"Hello"]);
}

#[test]
fn what_was_agreed_on_is_used_from_the_first_byte_past_the_101() {
    let server = greeter(AGREED);
    let mut client = S9NonBlockingWebSocketClient::connect(&server.url, options(everything())).unwrap();
    assert_eq!(client.response().extensions, "permessage-deflate");
    let mut handler = Answering::default();
    run(&mut client, &mut handler);
    assert!(handler.errors.is_empty(), "{:?}", handler.errors);
    assert_eq!(handler.texts, ["Hello", "Hello"]);
    drop(client);
    let (request, frames) = server.join();
    assert_eq!(offered(&request), Some("permessage-deflate; client_max_window_bits"));
    assert_two_compressed_and_two_plain(&frames);
}

#[test]
fn a_client_on_a_thread_compresses_as_its_commands_say() {
    let server = greeter(AGREED);
    let mut client = S9AsyncNonBlockingWebSocketClient::connect(&server.url, options(everything())).unwrap();
    let thread = client.run().unwrap();
    for command in [
        ControlMessage::SendText("Hello".into()),
        ControlMessage::SendBinary("Hello".into()),
        ControlMessage::SendTextUncompressed("Hello".into()),
        ControlMessage::SendBinaryUncompressed("Hello".into()),
    ] {
        client.control_tx.send(command).unwrap();
    }
    let mut texts = Vec::new();
    while texts.len() < 2 {
        if let WebSocketEvent::TextMessage(text) = client.event_rx.recv_timeout(LONG).unwrap().event {
            texts.push(text);
        }
    }
    assert_eq!(texts, ["Hello", "Hello"]);
    client.control_tx.send(ControlMessage::Close(None)).unwrap();
    thread.join().unwrap();
    assert_two_compressed_and_two_plain(&server.join().1);
}

#[test]
fn nothing_is_offered_by_default_and_then_nothing_may_come_compressed() {
    let server = greeter("");
    let mut client = S9NonBlockingWebSocketClient::connect(&server.url, options(None)).unwrap();
    assert_eq!(client.response().extensions, "");
    let mut handler = Answering::default();
    run(&mut client, &mut handler);
    assert_eq!(handler.errors.iter().map(Error::code).collect::<Vec<_>>(), [ErrorCode::Protocol]);
    drop(client);
    let (request, frames) = server.join();
    assert_eq!((offered(&request), &frames[..]), (None, &[Frame::close(1002, "")][..]));
}

#[test]
fn a_server_that_does_not_take_the_offer_is_spoken_to_plainly() {
    let server = serve_raw_with("", raw_frame(0x80 | TEXT, "plain"), |mut tcp, _| {
        let mut frame = [0; 11];
        tcp.read_exact(&mut frame).unwrap();
        client_frames(&frame).0
    });
    let mut client = S9NonBlockingWebSocketClient::connect(&server.url, options(everything())).unwrap();
    assert_eq!(client.response().extensions, "");
    client.send_text_message("Hello").unwrap();
    assert_eq!(server.join(), [Frame::new(TEXT, "Hello")]);
}

/// Sends texts back after the turn that brought them, as JavaScript does.
#[derive(Default)]
struct Later(Vec<WebSocketEvent>);

impl S9WebSocketClientHandler<Session> for Later {
    fn on_event(&mut self, _: &mut Session, event: WebSocketEvent) {
        self.0.push(event);
    }

    fn acts_later(&self) -> bool {
        true
    }
}

#[test]
fn messages_read_with_one_that_does_not_inflate_are_answered_before_it_is_told() {
    let tail = [raw_frame(0x80 | RSV1 | TEXT, HELLO), raw_frame(0x80 | RSV1 | TEXT, [0xff, 0xff])].concat();
    let server = serve_raw_with(AGREED, tail, |mut tcp, _| {
        let mut sent = Vec::new();
        tcp.read_to_end(&mut sent).unwrap();
        client_frames(&sent).0
    });
    let options = options(Some(PerMessageDeflateOptions::new()));
    let mut session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    let (mut log, mut is_over) = (Vec::new(), false);
    while !is_over {
        let mut batch = Later::default();
        is_over = turn(&mut session, &mut batch) == Turn::Ended;
        for event in &batch.0 {
            log.push(line(event));
            if matches!(event, WebSocketEvent::TextMessage(_)) {
                session.send_text_message("answer").unwrap();
            }
        }
    }
    assert_eq!(log, ["activated", "text Hello", "error ERR_S9_PROTOCOL", "quit"]);
    drop(session);
    assert_eq!(server.join(), [Frame::new(TEXT, "answer"), Frame::close(1007, "")]);
}

#[test]
fn an_answer_that_cannot_be_agreed_with_refuses_the_upgrade() {
    for (fields, reason) in [
        ("Sec-WebSocket-Extensions: permessage-deflate; mux\r\n", "\"mux\""),
        ("Sec-WebSocket-Extensions: permessage-bzip2\r\n", "not offered"),
        ("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\n", "8 to 15"),
        ("Sec-WebSocket-Extensions: permessage-deflate;;\r\n", "malformed"),
        (
            "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
            "more than once",
        ),
    ] {
        let server = serve_raw_with(fields, Vec::new(), |tcp, _| {
            tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        });
        let Err(error) = S9NonBlockingWebSocketClient::connect(&server.url, options(everything())) else {
            panic!("{fields} was accepted");
        };
        assert_eq!(error.code(), ErrorCode::Handshake);
        assert!(error.to_string().contains(reason), "{error}");
        let Error::Handshake { response: Some(response), .. } = error else { panic!("no response") };
        assert_eq!(response.status, 101);
        server.join();
    }
}
