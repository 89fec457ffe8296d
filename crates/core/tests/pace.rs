//! A thread far ahead of whoever receives its events: it pauses for them, and does not wait for those who are
//! busy with something else.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;
#[allow(dead_code)]
mod server;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use s9_websocket_core::*;
use script::{BINARY, Frame, PING, PONG, close_frame, frame, frames_up_to_close};
use server::*;

const SIZE: usize = 16 << 10;
/// Several times as much as a thread reads ahead.
const MESSAGES: usize = 256;
/// How far ahead a thread is that pauses, and for how long where nobody receives.
const FAR: usize = 512 << 10;
const PAUSE: Duration = Duration::from_millis(1);

/// Counts what waits to be received.
struct Counted {
    events: mpsc::Sender<(WebSocketEvent, Instant)>,
    waiting: Arc<AtomicUsize>,
}

impl EventSink for Counted {
    fn put(&mut self, event: WebSocketEvent, at: Instant) {
        if let WebSocketEvent::BinaryMessage(data) = &event {
            self.waiting.fetch_add(data.len(), Ordering::SeqCst);
        }
        let _ = self.events.send((event, at));
    }

    fn waiting_bytes(&mut self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

/// Runs a client on a thread over a flood, a ping and the end, all of which must come, and the ping be answered.
/// With `receives`, what has come is counted as received. When each message was read.
fn over_a_flood(receives: bool, spins: bool) -> Vec<Instant> {
    let flood = (0..MESSAGES).flat_map(|number| frame(BINARY, [number as u8; SIZE]));
    let bytes = flood.chain(frame(PING, "after it")).chain(close_frame(1000, ""));
    let server = serve_raw(bytes.collect(), |mut tcp| frames_up_to_close(&mut tcp));
    let options = NonBlockingOptions::new().spin_wait_duration((!spins).then_some(LONG)).unwrap();
    let session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    let (events, received) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut client = ThreadedSession::new(session, Counted { events, waiting: Arc::clone(&waiting) });
    client.run().unwrap();
    let mut read = Vec::new();
    while let Ok((event, at)) = received.recv_timeout(LONG) {
        let WebSocketEvent::BinaryMessage(data) = event else { continue };
        let number = read.len();
        assert!(data.len() == SIZE && data.iter().all(|&byte| byte == number as u8), "message {number}");
        read.push(at);
        if receives {
            let left = waiting.fetch_sub(data.len(), Ordering::SeqCst) - data.len();
            client.control().note_received(left);
        }
    }
    assert_eq!(read.len(), MESSAGES);
    assert_eq!(server.join(), [Frame::new(PONG, "after it"), Frame::close(1000, "")]);
    read
}

#[test]
fn a_thread_pauses_once_and_reads_on_where_nobody_receives() {
    for spins in [false, true] {
        let read = over_a_flood(false, spins);
        // What was read with the message that was too far is there already: the next read is the late one.
        let far = read[FAR / SIZE - 1];
        let next = read.iter().find(|&&at| at > far).unwrap();
        assert!(*next - far >= PAUSE, "{:?} later", *next - far);
    }
}

#[test]
fn nothing_is_lost_where_those_who_receive_end_the_pauses() {
    for spins in [false, true] {
        over_a_flood(true, spins);
    }
}
