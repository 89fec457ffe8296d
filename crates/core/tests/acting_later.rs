//! Handlers that are given a turn's events after the turn, as JavaScript is given a batch: what they send in
//! answer goes out ahead of the answer to an end that was read with it.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;
#[allow(dead_code)]
mod server;

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use s9_websocket_core::*;
use script::{
    BINARY, Frame, PONG, TEXT, client_frames, close_frame, frame, frames_up_to_close, line, raw_frame,
};
use server::*;

/// A frame whose reserved bit nothing was agreed on for.
const VIOLATION: u8 = 0xc0 | TEXT;

struct Batch {
    events: Vec<WebSocketEvent>,
    most: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { events: Vec::new(), most: usize::MAX }
    }
}

impl S9WebSocketClientHandler<Session> for Batch {
    fn on_event(&mut self, _: &mut Session, event: WebSocketEvent) {
        self.events.push(event);
    }

    fn has_room(&mut self) -> bool {
        self.events.len() < self.most
    }

    fn acts_later(&self) -> bool {
        true
    }
}

fn connect(url: &str, blocking: bool) -> Session {
    let canceller = Canceller::new();
    if !blocking {
        return Session::connect_non_blocking(url, &[], NonBlockingOptions::new(), &canceller).unwrap();
    }
    let mut session = Session::connect_blocking(url, &[], BlockingOptions::new(), &canceller).unwrap();
    session.set_blocking().unwrap();
    session
}

/// Has a server send `bytes` at once and `act` do something at each event after its turn: the events, and
/// the frames that the server received.
fn turn_by_turn(
    bytes: &[Vec<u8>],
    blocking: bool,
    act: impl Fn(&mut Session, &WebSocketEvent),
) -> (Vec<String>, Vec<Frame>) {
    let server = serve_raw(bytes.concat(), |mut tcp| frames_up_to_close(&mut tcp));
    let mut session = connect(&server.url, blocking);
    let (mut log, mut is_over) = (Vec::new(), false);
    while !is_over {
        let mut batch = Batch::default();
        is_over = turn(&mut session, &mut batch) == Turn::Ended;
        for event in &batch.events {
            log.push(line(event));
            act(&mut session, event);
        }
    }
    (log, server.join())
}

fn echo(session: &mut Session, event: &WebSocketEvent) {
    match event {
        WebSocketEvent::TextMessage(text) => {
            session.send_text_message(str::from_utf8(text).unwrap()).unwrap();
        }
        WebSocketEvent::BinaryMessage(data) => {
            session.send_binary_message(data.clone()).unwrap();
        }
        _ => {}
    }
}

#[test]
fn messages_read_with_a_violation_are_answered_before_it_is_told() {
    for blocking in [false, true] {
        let bytes = [frame(TEXT, "one"), frame(BINARY, "two"), raw_frame(VIOLATION, "")];
        let (log, frames) = turn_by_turn(&bytes, blocking, echo);
        assert_eq!(log, ["activated", "text one", "binary two", "error ERR_S9_PROTOCOL", "quit"]);
        assert_eq!(frames, [Frame::new(TEXT, "one"), Frame::new(BINARY, "two"), Frame::close(1002, "")]);
    }
}

#[test]
fn messages_read_with_a_close_frame_are_answered_before_it_is() {
    for blocking in [false, true] {
        let bytes = [frame(TEXT, "one"), frame(BINARY, "two"), close_frame(4000, "bye")];
        let (log, frames) = turn_by_turn(&bytes, blocking, |session, event| {
            echo(session, event);
            if matches!(event, WebSocketEvent::BinaryMessage(_)) {
                session.send_pong("three").unwrap();
            }
        });
        assert_eq!(log, ["activated", "text one", "binary two", "closed 4000 bye", "quit"]);
        let sent = [Frame::new(TEXT, "one"), Frame::new(BINARY, "two"), Frame::new(PONG, "three")];
        assert_eq!(frames, [&sent[..], &[Frame::close(4000, "bye")]].concat());
    }
}

#[test]
fn what_is_there_is_handed_over_before_a_read_blocks() {
    for (most, turns) in [(2, 3), (usize::MAX, 1)] {
        let bytes = ["one", "two", "three", "four"].map(|text| frame(TEXT, text)).concat();
        let server = serve_raw(bytes, |mut tcp| frames_up_to_close(&mut tcp));
        let mut session = connect(&server.url, true);
        let mut log = Vec::new();
        for _ in 0..turns {
            // A read would block until the server fails.
            let mut batch = Batch { most, ..Batch::default() };
            assert_eq!(turn(&mut session, &mut batch), Turn::Busy);
            log.extend(batch.events.iter().map(line));
        }
        assert_eq!(log, ["activated", "text one", "text two", "text three", "text four"]);
        drop(session);
        server.join();
    }
}

#[test]
fn a_close_of_ones_own_leaves_the_peers_end_as_it_is() {
    let bytes = [frame(TEXT, "one"), raw_frame(VIOLATION, "")];
    let (log, frames) = turn_by_turn(&bytes, false, |session, event| {
        if matches!(event, WebSocketEvent::TextMessage(_)) {
            session.close(Some(CloseFrame::new(3000, "mine"))).unwrap();
        }
    });
    assert_eq!(log, ["activated", "text one", "error ERR_S9_PROTOCOL", "quit"]);
    assert_eq!(frames, [Frame::close(1002, "")]);
}

#[test]
fn abandoning_a_connection_whose_end_was_read_answers_it() {
    for (end, answer) in [
        (close_frame(4000, "bye"), Frame::close(4000, "bye")),
        (raw_frame(VIOLATION, ""), Frame::close(1002, "")),
    ] {
        let (log, frames) = turn_by_turn(&[frame(TEXT, "one"), end], false, |session, event| {
            if matches!(event, WebSocketEvent::TextMessage(_)) {
                session.abandon();
            }
        });
        assert_eq!(log, ["activated", "text one", "quit"]);
        assert_eq!(frames, [answer]);
    }
}

/// Hands events to another thread, which says when it has acted on them.
struct Posted {
    events: mpsc::Sender<WebSocketEvent>,
    is_answered: Arc<AtomicBool>,
    /// How often it was asked whether it is.
    asked: Arc<AtomicUsize>,
}

impl EventSink for Posted {
    fn put(&mut self, event: WebSocketEvent, _: Instant) {
        self.is_answered.store(false, Ordering::SeqCst);
        let _ = self.events.send(event);
    }

    fn is_answered(&mut self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.is_answered.load(Ordering::SeqCst)
    }
}

/// What a client on a thread sends, whose receiver echoes `lag` after it was told if it does at all; and how
/// often the thread asked whether it has answered.
fn on_a_thread(bytes: &[Vec<u8>], lag: Option<Duration>) -> (Vec<String>, Vec<Frame>, usize) {
    let server = serve_raw(bytes.concat(), |mut tcp| {
        let mut received = Vec::new();
        // To the end of the stream: nothing may follow the Close frame.
        let _ = tcp.read_to_end(&mut received);
        client_frames(&received).0
    });
    let options = NonBlockingOptions::new().spin_wait_duration(Some(LONG)).unwrap();
    let options = options.close_timeout(Duration::from_millis(500)).unwrap();
    let session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    let (events, received) = mpsc::channel();
    let is_answered = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let sink = Posted { events, is_answered: Arc::clone(&is_answered), asked: Arc::clone(&asked) };
    let mut client = ThreadedSession::new(session, sink);
    client.run().unwrap();
    let mut log = Vec::new();
    while let Ok(event) = received.recv_timeout(LONG) {
        log.push(line(&event));
        let Some(lag) = lag else { continue };
        if let WebSocketEvent::TextMessage(text) = &event {
            thread::sleep(lag);
            client.control().send(ControlMessage::SendBinary(text.clone())).unwrap();
        }
        if matches!(event, WebSocketEvent::TextMessage(_)) {
            is_answered.store(true, Ordering::SeqCst);
        }
    }
    (log, server.join(), asked.load(Ordering::SeqCst))
}

#[test]
fn a_receiver_on_another_thread_can_answer_what_was_read_with_the_end() {
    for (end, told, code) in [
        (close_frame(4000, "bye"), "closed 4000 bye", Frame::close(4000, "bye")),
        (raw_frame(VIOLATION, ""), "error ERR_S9_PROTOCOL", Frame::close(1002, "")),
    ] {
        // Long enough for the thread to have acted if it did not wait.
        let (log, frames, _) = on_a_thread(&[frame(TEXT, "one"), end], Some(Duration::from_millis(20)));
        assert_eq!(log, ["activated", "text one", told, "quit"]);
        assert_eq!(frames, [Frame::new(BINARY, "one"), code]);
    }
}

#[test]
fn a_receiver_that_does_not_come_back_keeps_no_peer_waiting() {
    let begun = Instant::now();
    let (log, frames, asked) = on_a_thread(&[frame(TEXT, "one"), raw_frame(VIOLATION, "")], None);
    assert_eq!(log, ["activated", "text one", "error ERR_S9_PROTOCOL", "quit"]);
    assert_eq!(frames, [Frame::close(1002, "")]);
    assert!(begun.elapsed() < LONG);
    // The thread sleeps meanwhile, a millisecond at a time: the half second is perhaps the receiver's.
    assert!(asked < 2_000, "asked {asked} times");
}
