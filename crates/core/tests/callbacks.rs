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
fn spin_wait_duration_takes_the_place_of_a_read_timeout_that_is_not_given() {
    let server = serve(false, Peer::read_to_end);
    let options = BlockingOptions::new().spin_wait_duration(Some(Duration::from_millis(20))).unwrap();
    let mut client = S9BlockingWebSocketClient::connect(&server.url, options).unwrap();
    // Without an idle turn the read would last for ever.
    client.set_longest_wait(Some(Duration::from_millis(200)));
    let mut turns = Turns { close_at_idle: Some(3), force_quit_at_poll: Some(10), ..Turns::default() };
    client.run(&mut turns);
    assert_eq!(turns.log, ["activated", "closed", "quit"]);
    server.join();
}

/// Sends more than fits and counts the turns until the peer has been told to read.
struct Sender {
    polls: usize,
    idles: usize,
    read_now: Option<mpsc::Sender<()>>,
}

impl S9WebSocketClientHandler<S9BlockingWebSocketClient> for Sender {
    fn on_activated(&mut self, client: &mut S9BlockingWebSocketClient) {
        assert_eq!(client.send_binary_message(vec![7; 8 << 20]).unwrap(), Sent::Queued);
    }
    fn on_poll(&mut self, _: &mut S9BlockingWebSocketClient) {
        self.polls += 1;
        if self.polls == 8 {
            self.read_now = None;
        }
    }
    fn on_idle(&mut self, _: &mut S9BlockingWebSocketClient) {
        self.idles += 1;
    }
}

#[test]
fn a_read_cut_short_for_unsent_bytes_is_no_idle_turn() {
    let (read_now, wait) = mpsc::channel::<()>();
    let server = serve_with_buffer(false, Some(8 << 10), move |mut peer| {
        let _ = wait.recv_timeout(LONG);
        let size = peer.read().len();
        peer.close(1000, "");
        size
    });
    let options = BlockingOptions::new()
        .send_buffer_size(Some(8 << 10))
        .unwrap()
        .write_timeout(Some(Duration::from_millis(1)))
        .unwrap()
        .read_timeout(Some(LONG))
        .unwrap();
    let mut client = S9BlockingWebSocketClient::connect(&server.url, options).unwrap();
    let mut sender = Sender { polls: 0, idles: 0, read_now: Some(read_now) };
    client.run(&mut sender);
    assert_eq!(server.join(), 8 << 20);
    assert_eq!(sender.idles, 0);
}

#[test]
fn a_blocking_send_waits_for_the_kernel_compressed_or_not() {
    const SIZE: usize = 8 << 20;
    type Send = fn(&mut S9BlockingWebSocketClient) -> Result<Sent>;
    let sends: [Send; 2] = [
        |client| client.send_binary_message(vec![7; SIZE]),
        |client| client.send_binary_message_uncompressed(vec![7; SIZE]),
    ];
    for send in sends {
        let (done, wait) = mpsc::channel::<()>();
        let server = serve_with_buffer(false, Some(8 << 10), move |mut peer| {
            // A send that gives up after one slice, the close timeout, says so; one that waits cannot.
            let gave_up = wait.recv_timeout(Duration::from_millis(300)).is_ok();
            (gave_up, peer.read().len())
        });
        let options = BlockingOptions::new()
            .send_buffer_size(Some(8 << 10))
            .unwrap()
            .close_timeout(Duration::from_millis(20))
            .unwrap();
        let mut client = S9BlockingWebSocketClient::connect(&server.url, options).unwrap();
        assert_eq!(send(&mut client).unwrap(), Sent::Flushed);
        let _ = done.send(());
        assert_eq!(server.join(), (false, SIZE));
    }
}

/// Closes as soon as bytes are left unsent.
#[derive(Default)]
struct Closer {
    log: Vec<String>,
}

impl S9WebSocketClientHandler<S9BlockingWebSocketClient> for Closer {
    fn on_poll(&mut self, client: &mut S9BlockingWebSocketClient) {
        if client.buffered_amount() > 0 {
            client.close(None).unwrap();
        }
    }
    fn on_connection_closed(&mut self, _: &mut S9BlockingWebSocketClient, frame: CloseFrame) {
        self.log.push(format!("closed {}", frame.code));
    }
    fn on_quit(&mut self, _: &mut S9BlockingWebSocketClient) {
        self.log.push("quit".into());
    }
}

#[test]
fn a_blocking_client_leaves_a_peer_that_reads_nothing_at_the_close_timeout() {
    let server = serve_with_buffer(false, Some(8 << 10), |mut peer| {
        let mut ping = vec![0x89, 125];
        ping.resize(2 + 125, b'p');
        let pings = ping.repeat(512);
        let start = Instant::now();
        // Fails once the client has gone; a client that never goes holds it up for the timeout.
        while std::io::Write::write_all(&mut peer.tcp, &pings).is_ok() {}
        start.elapsed()
    });
    let options = BlockingOptions::new()
        .send_buffer_size(Some(8 << 10))
        .unwrap()
        .close_timeout(Duration::from_millis(100))
        .unwrap();
    let mut client = S9BlockingWebSocketClient::connect(&server.url, options).unwrap();
    let mut closer = Closer::default();
    client.run(&mut closer);
    drop(client);
    assert_eq!(closer.log, ["closed 1006", "quit"]);
    let elapsed = server.join();
    assert!(elapsed < LONG / 2, "{elapsed:?}");
}

#[test]
fn the_writes_of_a_blocking_client_count_towards_its_close_timeout() {
    const LIMIT: Duration = Duration::from_secs(1);
    let (done, wait) = mpsc::channel::<()>();
    let server = serve_with_buffer(false, Some(8 << 10), move |_peer| {
        let _ = wait.recv_timeout(LONG);
    });
    let options = BlockingOptions::new()
        .send_buffer_size(Some(8 << 10))
        .unwrap()
        .write_timeout(Some(LIMIT))
        .unwrap()
        .close_timeout(LIMIT)
        .unwrap();
    let mut client = S9BlockingWebSocketClient::connect(&server.url, options).unwrap();
    assert_eq!(client.send_binary_message(vec![7; 8 << 20]).unwrap(), Sent::Queued);
    let start = Instant::now();
    client.close(None).unwrap();
    let mut closer = Closer::default();
    client.run(&mut closer);
    let elapsed = start.elapsed();
    assert_eq!(closer.log, ["closed 1006", "quit"]);
    // Each write that is not bounded by it takes as long once more.
    assert!(elapsed < 2 * LIMIT, "{elapsed:?}");
    drop(done);
    server.join();
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

/// Takes longer than a write may, between what it sends.
#[derive(Default)]
struct Thinking {
    unsent: Vec<usize>,
}

impl S9WebSocketClientHandler<S9BlockingWebSocketClient> for Thinking {
    fn on_text_message(&mut self, client: &mut S9BlockingWebSocketClient, _: Bytes) {
        client.send_text_message("first").unwrap();
        let until = Instant::now() + 2 * SHORT;
        while Instant::now() < until {}
        client.cork(|client| client.send_text_message("corked").unwrap());
        self.unsent.push(client.buffered_amount());
        client.close(None).unwrap();
        self.unsent.push(client.buffered_amount());
    }
}

const SHORT: Duration = Duration::from_millis(10);

#[test]
fn the_time_between_its_sends_does_not_hold_up_what_a_blocking_client_sends() {
    let server = serve(false, |mut peer| {
        peer.text("go");
        peer.read_to_end()
    });
    let options = BlockingOptions::new().write_timeout(Some(SHORT)).unwrap();
    let mut client = S9BlockingWebSocketClient::connect(&server.url, options).unwrap();
    let mut thinking = Thinking::default();
    client.run(&mut thinking);
    assert_eq!(thinking.unsent, [0, 0]);
    assert_eq!(server.join(), ["text first", "text corked", "close 1000 ", "end after close"]);
}

/// Has room for nothing for a while.
struct Full {
    until: Instant,
    asked: usize,
}

impl S9WebSocketClientHandler<Session> for Full {
    fn has_room(&mut self) -> bool {
        self.asked += 1;
        Instant::now() >= self.until
    }

    fn on_activated(&mut self, session: &mut Session) {
        session.close(None).unwrap();
    }
}

#[test]
fn a_loop_waits_while_its_handler_has_no_room() {
    for blocking in [false, true] {
        let server = serve(false, Peer::read_to_end);
        let canceller = Canceller::new();
        let mut session = if blocking {
            Session::connect_blocking(&server.url, &[], BlockingOptions::new(), &canceller).unwrap()
        } else {
            let options = NonBlockingOptions::new().spin_wait_duration(Some(LONG)).unwrap();
            Session::connect_non_blocking(&server.url, &[], options, &canceller).unwrap()
        };
        session.set_blocking().unwrap();
        let mut full = Full { until: Instant::now() + 10 * SHORT, asked: 0 };
        run(&mut session, &mut full);
        // Once a millisecond, and a few times more.
        assert!(full.asked <= 200, "asked {} times", full.asked);
        server.join();
    }
}
