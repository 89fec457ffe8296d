//! What every client must do, whatever its socket, its loop and the way its events arrive.

mod drive;

use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use bytes::Bytes;
use s9_websocket_core::{CloseFrame, ErrorCode, WebSocketEvent};

pub(crate) use self::drive::{Kind, Outcome, Setup, drive};
use crate::server::{LONG, Peer, Server, serve, serve_raw, serve_with_buffer};

/// Makes one test of each behaviour for one kind of client.
macro_rules! behaviours {
    ($kind:expr; $($name:ident)*) => {
        $(#[test]
        fn $name() {
            crate::behaviour::$name($kind);
        })*
    };
    ($kind:expr) => {
        crate::behaviour::behaviours! { $kind;
            echo_returns_text_and_binary_of_every_size
            echo_over_tls_returns_text_and_binary_of_every_size
            a_ping_is_answered_without_any_doing
            a_peers_close_is_answered_before_the_socket_goes
            a_peers_close_over_tls_is_answered_before_the_socket_goes
            an_own_close_is_graceful
            force_quit_sends_no_close_frame
            a_reset_is_an_error_and_then_quit
            an_end_without_a_close_is_an_error
            an_end_of_tls_without_a_close_is_an_error
            a_violation_is_told_to_the_peer
            a_send_after_close_is_refused
            headers_and_subprotocols_reach_the_server
            a_server_that_never_answers_a_close_is_left_at_the_deadline
            a_slow_reader_loses_nothing
            a_slow_reader_over_tls_loses_nothing
            a_slow_reader_that_closes_loses_nothing
            every_callback_may_send
            a_burst_is_delivered_whole_and_in_order
            messages_in_the_same_packet_as_the_upgrade_are_delivered
        }
    };
}
pub(crate) use behaviours;

fn ignore() -> impl FnMut(&mut dyn drive::Actions, &WebSocketEvent) + Send + 'static {
    |_, _| {}
}

pub(crate) fn echo_returns_text_and_binary_of_every_size(kind: Kind) {
    echo(kind, false);
}

pub(crate) fn echo_over_tls_returns_text_and_binary_of_every_size(kind: Kind) {
    echo(kind, true);
}

fn echo(kind: Kind, tls: bool) {
    let server = serve(tls, Peer::echo);
    let sizes = [0, 1, 125, 126, 65_535, 65_536, 4 << 20];
    let payload = |size: usize| -> String { ('a'..='z').cycle().take(size).collect() };
    let mut left: Vec<_> = sizes.into_iter().flat_map(|size| [(size, true), (size, false)]).collect();
    let expected = left.len();
    let echoed = Arc::new(Mutex::new(0));
    let count = Arc::clone(&echoed);
    let mut awaited = None;
    let outcome = drive(kind, Setup::of(&server), move |client, event| {
        match (event, awaited.take()) {
            (WebSocketEvent::Activated, None) => {}
            (WebSocketEvent::TextMessage(data), Some((size, true)))
            | (WebSocketEvent::BinaryMessage(data), Some((size, false))) => {
                assert!(data == payload(size).as_bytes(), "{size} bytes came back changed");
                *count.lock().unwrap() += 1;
            }
            (WebSocketEvent::ConnectionClosed(_) | WebSocketEvent::Quit, None) => return,
            other => panic!("{other:?}"),
        }
        awaited = left.pop();
        match awaited {
            Some((size, true)) => client.text(&payload(size)).unwrap(),
            Some((size, false)) => client.binary(payload(size).into()).unwrap(),
            None => client.close(None).unwrap(),
        }
    });
    assert_eq!(*echoed.lock().unwrap(), expected, "{:?}", outcome.log);
    assert_eq!(outcome.log[expected + 1..], ["closed 1000 ", "quit"]);
    assert_eq!(server.join(), ["close 1000 ", "end after close"]);
}

pub(crate) fn a_ping_is_answered_without_any_doing(kind: Kind) {
    let server = serve(false, |mut peer| {
        peer.ws.send(tungstenite::Message::Ping("are you there".into())).unwrap();
        let answer = peer.read();
        (answer, peer.close(1000, ""))
    });
    let outcome = drive(kind, Setup::of(&server), ignore());
    assert_eq!(outcome.log, ["activated", "ping are you there", "closed 1000 ", "quit"]);
    let (answer, rest) = server.join();
    assert_eq!(answer, tungstenite::Message::Pong("are you there".into()));
    assert_eq!(rest, ["close 1000 ", "end after close"]);
}

pub(crate) fn a_peers_close_is_answered_before_the_socket_goes(kind: Kind) {
    peers_close(kind, false);
}

pub(crate) fn a_peers_close_over_tls_is_answered_before_the_socket_goes(kind: Kind) {
    peers_close(kind, true);
}

fn peers_close(kind: Kind, tls: bool) {
    let server = serve(tls, |peer| peer.close(4000, "bye"));
    let outcome = drive(kind, Setup::of(&server), ignore());
    assert_eq!(outcome.log, ["activated", "closed 4000 bye", "quit"]);
    assert_eq!(server.join(), ["close 4000 bye", "end after close"]);
    assert!(outcome.lasted < Duration::from_secs(4), "the end came from the deadline");
}

pub(crate) fn an_own_close_is_graceful(kind: Kind) {
    let server = serve(false, Peer::read_to_end);
    let outcome = drive(kind, Setup::of(&server), |client, event| {
        if matches!(event, WebSocketEvent::Activated) {
            client.text("last").unwrap();
            client.close(Some(CloseFrame::new(3001, "done"))).unwrap();
        }
    });
    assert_eq!(outcome.log, ["activated", "closed 3001 done", "quit"]);
    assert_eq!(server.join(), ["text last", "close 3001 done", "end after close"]);
    assert!(outcome.lasted < Duration::from_secs(4), "the end came from the deadline");
}

pub(crate) fn force_quit_sends_no_close_frame(kind: Kind) {
    let server = serve(false, |mut peer| {
        peer.text("go");
        peer.read_to_end()
    });
    let outcome = drive(kind, Setup::of(&server), |client, event| {
        if matches!(event, WebSocketEvent::TextMessage(_)) {
            client.force_quit();
        }
    });
    assert_eq!(outcome.log, ["activated", "text go", "quit"]);
    let end = server.join();
    assert!(end == ["end without close"] || end == ["reset"], "{end:?}");
}

pub(crate) fn a_reset_is_an_error_and_then_quit(kind: Kind) {
    let server = serve(false, |mut peer| {
        assert_eq!(peer.read(), tungstenite::Message::text("ready"));
        peer.reset();
    });
    let outcome = drive(kind, Setup::of(&server), |client, event| {
        if matches!(event, WebSocketEvent::Activated) {
            client.text("ready").unwrap();
        }
    });
    assert_eq!(outcome.log, ["activated", "error ERR_S9_IO", "quit"]);
    server.join();
}

pub(crate) fn an_end_without_a_close_is_an_error(kind: Kind) {
    let server = serve(false, Peer::end_without_close);
    let outcome = drive(kind, Setup::of(&server), ignore());
    assert_eq!(outcome.log, ["activated", "error ERR_S9_CONNECTION_CLOSED", "quit"]);
    server.join();
}

pub(crate) fn an_end_of_tls_without_a_close_is_an_error(kind: Kind) {
    let server = serve(true, Peer::end_without_close);
    let outcome = drive(kind, Setup::of(&server), ignore());
    assert_eq!(outcome.log, ["activated", "error ERR_S9_TLS", "quit"]);
    server.join();
}

pub(crate) fn a_violation_is_told_to_the_peer(kind: Kind) {
    let server = serve(false, |mut peer| {
        use std::io::Write;
        peer.ws.get_mut().write_all(b"\xc1\x00").unwrap();
        peer.read_to_end()
    });
    let outcome = drive(kind, Setup::of(&server), ignore());
    assert_eq!(outcome.log, ["activated", "error ERR_S9_PROTOCOL", "quit"]);
    assert_eq!(server.join()[0], "close 1002 ");
}

pub(crate) fn a_send_after_close_is_refused(kind: Kind) {
    let server = serve(false, Peer::read_to_end);
    let outcome = drive(kind, Setup::of(&server), |client, event| {
        if matches!(event, WebSocketEvent::Activated) {
            client.close(None).unwrap();
        }
        assert!(!client.is_open());
        assert_eq!(client.text("late").unwrap_err().code(), ErrorCode::ConnectionClosed);
        assert_eq!(client.ping("late").unwrap_err().code(), ErrorCode::ConnectionClosed);
        client.close(None).unwrap();
    });
    assert_eq!(outcome.log, ["activated", "closed 1000 ", "quit"]);
    assert_eq!(server.join(), ["close 1000 ", "end after close"]);
}

pub(crate) fn headers_and_subprotocols_reach_the_server(kind: Kind) {
    let server = serve(false, |peer| {
        let seen = (
            peer.header("x-token").map(str::to_owned),
            peer.header("sec-websocket-protocol").map(str::to_owned),
        );
        peer.close(1000, "");
        seen
    });
    let setup = Setup {
        headers: vec![("X-Token".into(), "abc def".into())],
        subprotocols: vec!["v1".into(), "v2".into()],
        ..Setup::of(&server)
    };
    let outcome = drive(kind, setup, ignore());
    assert_eq!(server.join(), (Some("abc def".into()), Some("v1, v2".into())));
    assert_eq!(outcome.response.status, 101);
    assert_eq!(outcome.response.subprotocol.as_deref(), Some("v2"));
}

pub(crate) fn a_server_that_never_answers_a_close_is_left_at_the_deadline(kind: Kind) {
    let (done, wait) = mpsc::channel::<()>();
    let server = serve(false, move |peer| {
        // Keeps the connection open without reading it.
        let _ = wait.recv_timeout(LONG);
        peer.read_to_end()
    });
    let limit = Duration::from_millis(150);
    let setup = Setup { close_timeout: Some(limit), ..Setup::of(&server) };
    let outcome = drive(kind, setup, |client, event| {
        if matches!(event, WebSocketEvent::Activated) {
            client.close(None).unwrap();
        }
    });
    drop(done);
    assert_eq!(outcome.log, ["activated", "closed 1006 ", "quit"]);
    assert!(outcome.lasted >= limit && outcome.lasted < LONG / 3, "{:?}", outcome.lasted);
    assert_eq!(server.join()[0], "close 1000 ");
}

pub(crate) fn a_slow_reader_loses_nothing(kind: Kind) {
    slow_reader(kind, false, false);
}

pub(crate) fn a_slow_reader_over_tls_loses_nothing(kind: Kind) {
    slow_reader(kind, true, false);
}

pub(crate) fn a_slow_reader_that_closes_loses_nothing(kind: Kind) {
    slow_reader(kind, false, true);
}

fn slow_reader(kind: Kind, tls: bool, closes: bool) {
    const COUNT: u32 = 60;
    // Without a write timeout, a blocking client gets no further than the first send that the kernel refuses.
    let blocks = matches!(kind, Kind::Blocking | Kind::BlockingPolled);
    let (full, wait) = mpsc::channel::<()>();
    let server = serve_with_buffer(tls, Some(8 << 10), move |mut peer| {
        let _ = wait.recv_timeout(if blocks { Duration::from_millis(300) } else { LONG });
        if closes {
            peer.ws.close(None).unwrap();
        }
        let mut next = 0;
        loop {
            match peer.ws.read() {
                Ok(tungstenite::Message::Binary(data)) => {
                    assert_eq!(data[..4], u32::to_be_bytes(next));
                    assert!(data[4..].iter().all(|byte| *byte == next as u8));
                    next += 1;
                }
                Ok(tungstenite::Message::Close(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(error) => return (next, matches!(error, tungstenite::Error::ConnectionClosed)),
            }
        }
    });
    let setup = Setup { send_buffer: Some(8 << 10), close_timeout: Some(LONG), ..Setup::of(&server) };
    let outcome = drive(kind, setup, move |client, event| {
        if matches!(event, WebSocketEvent::Activated) {
            let mut most = 0;
            for number in 0..COUNT {
                let mut data = vec![number as u8; 64 << 10];
                data[..4].copy_from_slice(&number.to_be_bytes());
                client.binary(Bytes::from(data)).unwrap();
                most = most.max(client.buffered_amount());
            }
            if !blocks {
                assert!(most > 1 << 20, "the kernel took all but {most} bytes");
            }
            if !closes {
                client.close(None).unwrap();
            }
            let _ = full.send(());
        }
    });
    assert_eq!(outcome.log, ["activated", if closes { "closed 1005 " } else { "closed 1000 " }, "quit"]);
    assert_eq!(server.join(), (COUNT, true));
}

pub(crate) fn every_callback_may_send(kind: Kind) {
    let server = serve(false, |mut peer| {
        let mut seen = Vec::new();
        let mut read = |peer: &mut Peer| seen.push(peer.read().to_string());
        read(&mut peer);
        for message in [
            tungstenite::Message::text("t"),
            tungstenite::Message::binary("b"),
            tungstenite::Message::Pong("o".into()),
        ] {
            peer.ws.send(message).unwrap();
            read(&mut peer);
        }
        peer.ws.send(tungstenite::Message::Ping("i".into())).unwrap();
        assert_eq!(peer.read(), tungstenite::Message::Pong("i".into()));
        read(&mut peer);
        (seen, peer.close(1000, ""))
    });
    let outcome = drive(kind, Setup::of(&server), |client, event| match event {
        WebSocketEvent::Activated => client.text("from activated").unwrap(),
        WebSocketEvent::TextMessage(_) => client.text("from text").unwrap(),
        WebSocketEvent::BinaryMessage(_) => client.binary("from binary".into()).unwrap(),
        WebSocketEvent::Ping(_) => client.ping("from ping").unwrap(),
        WebSocketEvent::Pong(_) => client.pong("from pong").unwrap(),
        WebSocketEvent::ConnectionClosed(_) | WebSocketEvent::Error(_) | WebSocketEvent::Quit => {
            assert_eq!(client.text("over").unwrap_err().code(), ErrorCode::ConnectionClosed);
        }
    });
    let (seen, end) = server.join();
    assert_eq!(seen, ["from activated", "from text", "from binary", "from pong", "from ping"]);
    // tungstenite answers a ping by itself, and that pong may come before the client's Close.
    assert_eq!(end.last().map(String::as_str), Some("end after close"));
    let log: Vec<_> = outcome.log.iter().filter(|line| *line != "pong from ping").collect();
    assert_eq!(log, ["activated", "text t", "binary b", "pong o", "ping i", "closed 1000 ", "quit"]);
}

pub(crate) fn a_burst_is_delivered_whole_and_in_order(kind: Kind) {
    const COUNT: usize = 3000;
    let server: Server<_> = serve(false, |mut peer| {
        for number in 0..COUNT {
            peer.ws.write(tungstenite::Message::text(number.to_string())).unwrap();
        }
        peer.ws.flush().unwrap();
        peer.close(1000, "")
    });
    let outcome: Outcome = drive(kind, Setup::of(&server), ignore());
    let expected: Vec<_> = (0..COUNT).map(|number| format!("text {number}")).collect();
    assert_eq!(outcome.log[1..=COUNT], expected);
    assert_eq!(outcome.log[COUNT + 1..], ["closed 1000 ", "quit"]);
    server.join();
}

pub(crate) fn messages_in_the_same_packet_as_the_upgrade_are_delivered(kind: Kind) {
    // A text message and a Close frame.
    let server = serve_raw(b"\x81\x02hi\x88\x02\x03\xe8".to_vec(), |mut tcp| {
        use std::io::Read;
        let mut answer = [0; 8];
        tcp.read_exact(&mut answer).unwrap();
        answer[0]
    });
    let outcome = drive(kind, Setup::of(&server), ignore());
    assert_eq!(outcome.log, ["activated", "text hi", "closed 1000 ", "quit"]);
    assert_eq!(server.join(), 0x88);
    assert!(outcome.lasted < Duration::from_secs(4), "the end came from the deadline");
}
