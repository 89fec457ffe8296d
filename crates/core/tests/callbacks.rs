//! `on_poll` and `on_idle`, and the ways a callback client is ended other than by the peer.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod server;

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use s9_websocket_core::*;
use server::*;

/// Counts turns and does something in the nth idle one.
#[derive(Default)]
struct Turns {
    polls: usize,
    idles: usize,
    log: Vec<&'static str>,
    close_at_idle: Option<usize>,
    force_quit_at_poll: Option<usize>,
    abandon_at_idle: Option<usize>,
}

impl<C: AsMut<Session>> S9WebSocketClientHandler<C> for Turns {
    fn on_activated(&mut self, _: &mut C) {
        self.log.push("activated");
    }
    fn on_poll(&mut self, client: &mut C) {
        assert!(self.log.first() == Some(&"activated"), "on_poll before onActivated");
        assert!(self.log.last() != Some(&"quit"), "on_poll after on_quit");
        self.polls += 1;
        if self.force_quit_at_poll == Some(self.polls) {
            client.as_mut().force_quit();
        }
    }
    fn on_idle(&mut self, client: &mut C) {
        assert!(self.log.last() != Some(&"quit"), "on_idle after on_quit");
        self.idles += 1;
        if self.close_at_idle == Some(self.idles) {
            client.as_mut().send_text_message("from idle").unwrap();
            client.as_mut().close(None).unwrap();
        }
        if self.abandon_at_idle == Some(self.idles) {
            client.as_mut().abandon();
        }
    }
    fn on_text_message(&mut self, _: &mut C, _: Bytes) {
        self.log.push("text");
    }
    fn on_connection_closed(&mut self, _: &mut C, _: CloseFrame) {
        self.log.push("closed");
    }
    fn on_quit(&mut self, _: &mut C) {
        self.log.push("quit");
    }
}

#[test]
fn read_timeout_gives_on_idle() {
    let server = serve(false, Peer::read_to_end);
    let options = BlockingOptions::new().read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut client = S9BlockingWebSocketClient::connect(&server.url, options).unwrap();
    let mut turns = Turns { close_at_idle: Some(3), ..Turns::default() };
    let start = Instant::now();
    client.run(&mut turns);
    assert!(start.elapsed() >= Duration::from_millis(50), "{:?}", start.elapsed());
    assert_eq!(turns.log, ["activated", "closed", "quit"]);
    assert!(turns.polls >= 3);
    assert_eq!(server.join(), ["text from idle", "close 1000 ", "end after close"]);
}

#[test]
fn spin_wait_duration_bounds_how_often_on_idle_comes() {
    let server = serve(false, Peer::read_to_end);
    let options = NonBlockingOptions::new().spin_wait_duration(Some(Duration::from_millis(20))).unwrap();
    let mut client = S9NonBlockingWebSocketClient::connect(&server.url, options).unwrap();
    let mut turns = Turns { close_at_idle: Some(4), ..Turns::default() };
    let start = Instant::now();
    client.run(&mut turns);
    assert!(start.elapsed() >= Duration::from_millis(50), "{:?}", start.elapsed());
    assert_eq!(turns.log, ["activated", "closed", "quit"]);
    server.join();
}

#[test]
fn neither_a_poll_nor_a_second_run_calls_anything_after_quit() {
    let server = serve(false, Peer::read_to_end);
    let mut client = S9NonBlockingWebSocketClient::connect(&server.url, NonBlockingOptions::new()).unwrap();
    let mut turns = Turns { force_quit_at_poll: Some(2), ..Turns::default() };
    client.run(&mut turns);
    assert_eq!(turns.log, ["activated", "quit"]);
    let polls = turns.polls;
    client.run(&mut turns);
    assert!(!client.poll(&mut turns));
    assert_eq!((turns.polls, turns.log.len()), (polls, 2));
    server.join();
}

#[test]
fn an_end_asked_for_from_on_idle_does_not_wait_for_the_next_turn() {
    let (done, wait) = mpsc::channel::<()>();
    let server = serve(false, move |peer| {
        // Silent until the client has ended, so that nothing wakes it.
        let _ = wait.recv_timeout(LONG);
        peer.read_to_end()
    });
    let options = NonBlockingOptions::new().spin_wait_duration(Some(LONG)).unwrap();
    let mut client = S9NonBlockingWebSocketClient::connect(&server.url, options).unwrap();
    let mut turns = Turns { abandon_at_idle: Some(1), ..Turns::default() };
    let start = Instant::now();
    client.run(&mut turns);
    assert!(start.elapsed() < LONG / 3, "{:?}", start.elapsed());
    assert_eq!(turns.log, ["activated", "quit"]);
    drop(client);
    drop(done);
    assert_eq!(server.join(), ["close 1000 ", "end after close"]);
}

#[test]
fn dropping_a_client_closes_with_1000() {
    let server = serve(false, Peer::read_to_end);
    drop(S9NonBlockingWebSocketClient::connect(&server.url, NonBlockingOptions::new()).unwrap());
    assert_eq!(server.join(), ["close 1000 ", "end after close"]);

    let server = serve(true, Peer::read_to_end);
    let tls = TlsOptions::new().ca([server.ca.clone().unwrap()]);
    drop(S9BlockingWebSocketClient::connect(&server.url, BlockingOptions::new().tls(tls)).unwrap());
    assert_eq!(server.join(), ["close 1000 ", "end after close"]);
}

#[test]
fn a_cork_sends_many_messages_in_one_write() {
    let server = serve_raw(Vec::new(), |mut tcp| {
        use std::io::Read;
        let mut bytes = vec![0; 64 << 10];
        tcp.read(&mut bytes).unwrap()
    });
    let mut client = S9NonBlockingWebSocketClient::connect(&server.url, NonBlockingOptions::new()).unwrap();
    client.cork(|session| {
        for _ in 0..100 {
            session.send_text_message("0123456789").unwrap();
        }
        assert_eq!(session.buffered_amount(), 1600);
    });
    assert_eq!(client.buffered_amount(), 0);
    assert_eq!(server.join(), 1600);
}

#[test]
fn the_socket_tells_its_addresses_and_takes_options_until_the_end() {
    let server = serve(false, Peer::read_to_end);
    let mut client = S9NonBlockingWebSocketClient::connect(&server.url, NonBlockingOptions::new()).unwrap();
    let socket = client.socket();
    assert!(server.url.ends_with(&socket.peer_address().unwrap().to_string()));
    socket.set_nodelay(true).unwrap();
    assert!(socket.nodelay().unwrap());
    socket.set_ttl(9).unwrap();
    assert_eq!(socket.ttl().unwrap(), 9);
    client.force_quit();
    drop(client);
    assert_eq!(socket.nodelay().unwrap_err().code(), ErrorCode::SocketUnavailable);
    server.join();
}
