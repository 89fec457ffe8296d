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
    time::Instant,
};

use s9_websocket_core::*;
use script::{BINARY, Frame, PING, PONG, close_frame, frame, frames_up_to_close};
use server::*;

const SIZE: usize = 16 << 10;
/// Several times as much as a thread reads ahead.
const MESSAGES: usize = 256;

/// Counts what waits to be received.
struct Counted {
    events: mpsc::Sender<WebSocketEvent>,
    waiting: Arc<AtomicUsize>,
}

impl EventSink for Counted {
    fn put(&mut self, event: WebSocketEvent, _: Instant) {
        if let WebSocketEvent::BinaryMessage(data) = &event {
            self.waiting.fetch_add(data.len(), Ordering::SeqCst);
        }
        let _ = self.events.send(event);
    }

    fn waiting_bytes(&mut self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

/// Runs a client on a thread over a flood, a ping and the end. With `receives`, what was received is counted as
/// such and told; how many messages came whole and in order, and what the server received.
fn over_a_flood(receives: bool, spins: bool) -> (usize, Vec<Frame>) {
    let flood = (0..MESSAGES).flat_map(|number| frame(BINARY, [number as u8; SIZE]));
    let bytes = flood.chain(frame(PING, "after it")).chain(close_frame(1000, ""));
    let server = serve_raw(bytes.collect(), |mut tcp| frames_up_to_close(&mut tcp));
    let options = NonBlockingOptions::new().spin_wait_duration((!spins).then_some(LONG)).unwrap();
    let session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    let (events, received) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut client = ThreadedSession::new(session, Counted { events, waiting: Arc::clone(&waiting) });
    client.run().unwrap();
    let mut whole = 0;
    while let Ok(event) = received.recv_timeout(LONG) {
        let WebSocketEvent::BinaryMessage(data) = event else { continue };
        assert!(data.len() == SIZE && data.iter().all(|&byte| byte == whole as u8), "message {whole}");
        whole += 1;
        if receives {
            let left = waiting.fetch_sub(data.len(), Ordering::SeqCst) - data.len();
            client.control().note_received(left);
        }
    }
    (whole, server.join())
}

#[test]
fn a_thread_reads_on_where_nobody_receives() {
    for spins in [false, true] {
        let (whole, frames) = over_a_flood(false, spins);
        assert_eq!(whole, MESSAGES);
        // The ping behind it all is answered.
        assert_eq!(frames, [Frame::new(PONG, "after it"), Frame::close(1000, "")]);
    }
}

#[test]
fn nothing_is_lost_where_a_thread_pauses_for_those_who_receive() {
    for spins in [false, true] {
        let (whole, frames) = over_a_flood(true, spins);
        assert_eq!(whole, MESSAGES);
        assert_eq!(frames, [Frame::new(PONG, "after it"), Frame::close(1000, "")]);
    }
}
