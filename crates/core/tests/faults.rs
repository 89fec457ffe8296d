//! The faults of the Rust crate that must not come along, one test each; the eleventh, the loop
//! written three times, is `the_loop_is_written_once` in `layers.rs`.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;
#[allow(dead_code)]
mod server;

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    sync::mpsc,
    time::{Duration, Instant},
};

use s9_websocket_core::*;
use script::{CLOSE, Frame, Input, TEXT, close_frame, events, events_to_the_end, line, open};
use server::*;

/// Far above what the work takes, far below what the fault takes.
const SOON: Duration = Duration::from_secs(10);

/// Keeps every event as a line, and ends as the test says.
#[derive(Default)]
struct Log {
    lines: Vec<String>,
    frame: Option<CloseFrame>,
    force_quit_at: Option<&'static str>,
    close_after: Option<usize>,
}

impl<C: AsMut<Session>> S9WebSocketClientHandler<C> for Log {
    fn on_event(&mut self, client: &mut C, event: WebSocketEvent) {
        self.lines.push(line(&event));
        if self.force_quit_at.is_some_and(|at| self.lines.last().unwrap() == at) {
            client.as_mut().force_quit();
        }
        if self.close_after == Some(self.lines.len()) {
            client.as_mut().close(None).unwrap();
        }
        if let WebSocketEvent::ConnectionClosed(frame) = event {
            self.frame = Some(frame);
        }
    }
}

fn run_non_blocking(url: &str, options: NonBlockingOptions, mut log: Log) -> Log {
    let mut client = S9NonBlockingWebSocketClient::connect(url, options).unwrap();
    client.run(&mut log);
    log
}

fn to_the_end(client: &S9AsyncNonBlockingWebSocketClient) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match client.event_rx.recv_timeout(LONG) {
            Ok(received) => lines.push(line(&received.event)),
            Err(error) if error.is_disconnected() => return lines,
            Err(error) => panic!("{error}, after {lines:?}"),
        }
    }
}

fn sleepy() -> NonBlockingOptions {
    NonBlockingOptions::new().spin_wait_duration(Some(6 * SOON)).unwrap()
}

#[test]
fn fault_1_a_peers_close_is_answered() {
    let mut connection = open([Input::Bytes(close_frame(4321, "bye"))]);
    connection.step(Instant::now());
    assert_eq!(connection.stream().frames(), [Frame::close(4321, "bye")], "answered in the same step");
    connection.stream_mut().push(Input::End);
    let log = events_to_the_end(&mut connection, Instant::now(), 9);
    assert_eq!(log, ["closed 4321 bye", "quit"]);
    assert_eq!(connection.stream().frames(), [Frame::close(4321, "bye")]);
}

#[test]
fn fault_2_force_quit_calls_on_quit_and_sends_no_close() {
    let server = serve(false, |mut peer| {
        peer.text("go");
        peer.read_to_end()
    });
    let log = Log { force_quit_at: Some("text go"), ..Log::default() };
    let log = run_non_blocking(&server.url, NonBlockingOptions::new(), log);
    assert_eq!(log.lines, ["activated", "text go", "quit"]);
    assert!(!server.join().iter().any(|line| line.starts_with("close")));
}

#[test]
fn fault_3_messages_that_have_arrived_are_not_slept_between() {
    const COUNT: usize = 500;
    let server = serve_raw(script::frame(TEXT, "x").repeat(COUNT), |mut tcp| {
        // Keeps the connection until the client closes.
        let _ = io::Read::read(&mut tcp, &mut [0; 16]);
    });
    let log = Log { close_after: Some(COUNT + 1), ..Log::default() };
    let start = Instant::now();
    let log = run_non_blocking(&server.url, sleepy(), log);
    assert!(start.elapsed() < SOON, "{:?} for {COUNT} messages", start.elapsed());
    assert_eq!(log.lines.len(), COUNT + 3);
    server.join();
}

#[test]
fn fault_4_ten_sends_do_not_wait_for_ten_turns() {
    let server = serve(false, |mut peer| {
        let start = Instant::now();
        let texts: Vec<_> = (0..10).map(|_| peer.read().to_string()).collect();
        (texts, start.elapsed(), peer.close(1000, ""))
    });
    let mut client = S9AsyncNonBlockingWebSocketClient::connect(&server.url, sleepy()).unwrap();
    for number in 0..10 {
        // Directly, so that no wake-up helps: all ten are there before the first turn.
        client.control_tx.channel().send(ControlMessage::SendText(number.to_string())).unwrap();
    }
    client.run().unwrap();
    let (texts, took, _) = server.join();
    assert_eq!(texts, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(took < SOON, "{took:?}");
    to_the_end(&client);
}

#[test]
fn fault_5_dropping_the_async_client_ends_its_thread() {
    let server = serve(false, Peer::read_to_end);
    let mut client = S9AsyncNonBlockingWebSocketClient::connect(&server.url, sleepy()).unwrap();
    client.run().unwrap();
    let (ended, end) = mpsc::channel();
    client.event_signal().at_end(move || ended.send(()).unwrap());
    // Another holder of the channels keeps neither thread nor connection.
    let (control, events) = (client.control_tx.clone(), client.event_rx.clone());
    drop(client);
    end.recv_timeout(SOON).expect("the thread ends");
    assert!(server.join()[0].starts_with("close 1000"));
    assert!(!control.is_open());
    assert_eq!(events.iter().map(|received| line(&received.event)).last().unwrap(), "quit");
}

#[test]
fn fault_6_a_send_that_would_block_is_accepted_and_flushed() {
    let mut connection = open([]);
    connection.stream_mut().room = 4;
    assert_eq!(connection.send_text("blocked").unwrap(), Sent::Queued);
    assert_eq!(connection.send_text("behind it").unwrap(), Sent::Queued);
    connection.stream_mut().room = usize::MAX;
    assert!(events(&mut connection, Instant::now(), 9).is_empty());
    let expected = [Frame::new(TEXT, "blocked"), Frame::new(TEXT, "behind it")];
    assert_eq!(connection.stream().frames(), expected);
    assert_eq!(connection.buffered_amount(), 0);
}

#[test]
fn fault_7_a_truncated_tls_stream_is_no_clean_close() {
    let server = serve(true, Peer::end_without_close);
    let tls = TlsOptions::new().ca([server.ca.clone().unwrap()]);
    let log = run_non_blocking(&server.url, NonBlockingOptions::new().tls(tls), Log::default());
    assert_eq!(log.lines, ["activated", "error ERR_S9_TLS", "quit"]);
    server.join();
}

#[test]
fn fault_7_an_error_whose_text_says_closed_is_no_close() {
    for input in [
        Input::FailSaying("connection closed normally"),
        Input::Fail(io::ErrorKind::NotConnected),
        Input::Fail(io::ErrorKind::BrokenPipe),
    ] {
        let mut connection = open([input]);
        let log = events_to_the_end(&mut connection, Instant::now(), 9);
        assert_eq!(log, ["error ERR_S9_IO", "quit"]);
    }
}

#[test]
fn fault_8_a_failed_command_does_not_cost_the_quit() {
    // A command that cannot be carried out harms nothing.
    let server = serve(false, Peer::read_to_end);
    let mut client = S9AsyncNonBlockingWebSocketClient::connect(&server.url, sleepy()).unwrap();
    client.control_tx.channel().send(ControlMessage::SendPing(vec![0; 126].into())).unwrap();
    client.control_tx.send(ControlMessage::SendText("goes on".into())).unwrap();
    client.control_tx.send(ControlMessage::Close(None)).unwrap();
    client.run().unwrap();
    assert_eq!(to_the_end(&client), ["activated", "closed 1000 ", "quit"]);
    assert_eq!(server.join(), ["text goes on", "close 1000 ", "end after close"]);

    // A command that fails because the connection has: one error, one quit.
    let server = serve(false, Peer::reset);
    let mut client = S9AsyncNonBlockingWebSocketClient::connect(&server.url, sleepy()).unwrap();
    server.join();
    for _ in 0..10 {
        client.control_tx.send(ControlMessage::SendText("into the void".into())).unwrap();
    }
    client.run().unwrap();
    assert_eq!(to_the_end(&client), ["activated", "error ERR_S9_IO", "quit"]);
}

#[test]
fn fault_9_a_close_code_stays_a_number_and_the_reason_itself() {
    for reason in ["", "done"] {
        let server = serve(false, |peer| peer.close(1000, reason));
        let log = run_non_blocking(&server.url, NonBlockingOptions::new(), Log::default());
        assert_eq!(log.frame, Some(CloseFrame { code: 1000, reason: reason.into() }));
        server.join();
    }
}

#[test]
fn fault_10_connecting_has_a_deadline() {
    // The kernel accepts; nobody answers the upgrade.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let limit = Duration::from_millis(100);
    let start = Instant::now();
    let options = NonBlockingOptions::new().connect_timeout(limit).unwrap();
    let error = S9NonBlockingWebSocketClient::connect(&url, options).map(drop).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    let options = BlockingOptions::new().connect_timeout(limit).unwrap();
    let error = S9BlockingWebSocketClient::connect(&url, options).map(drop).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Timeout);
    assert!(start.elapsed() >= 2 * limit && start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn fault_10_closing_has_a_deadline_over_a_blocking_socket_too() {
    let (done, wait) = mpsc::channel::<()>();
    let server = serve_raw(Vec::new(), move |tcp| {
        let _ = wait.recv_timeout(LONG);
        drop(tcp);
    });
    let options = BlockingOptions::new().close_timeout(Duration::from_millis(100)).unwrap();
    let mut client = S9BlockingWebSocketClient::connect(&server.url, options).unwrap();
    client.close(None).unwrap();
    let start = Instant::now();
    let mut log = Log::default();
    client.run(&mut log);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert_eq!(log.lines, ["activated", "closed 1006 ", "quit"]);
    drop(done);
    server.join();
}

#[test]
fn fault_10_a_peer_that_keeps_sending_does_not_put_off_the_end() {
    let start = Instant::now();
    let mut connection = open([]);
    connection.close(None).unwrap();
    let mut now = start;
    let mut texts = 0;
    loop {
        connection.stream_mut().push_bytes(script::frame(TEXT, "still here"));
        let log = events(&mut connection, now, 9);
        if log.iter().any(|line| line.starts_with("closed")) {
            assert_eq!(log, ["closed 1006 ", "quit"]);
            break;
        }
        texts += log.len();
        now += Duration::from_millis(500);
        assert!(now - start <= SOON, "the deadline of 5 s is not kept");
    }
    assert_eq!(texts, 10);
    assert!(connection.stream().frames().iter().all(|frame| frame.opcode == CLOSE));
}
