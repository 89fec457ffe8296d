//! The thread of a client to which nothing comes.
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
use script::frames_up_to_close;
use server::*;

/// How long nothing comes, a hundred times as long as a wait is asked to last.
const IDLE: Duration = Duration::from_millis(200);

/// Counts turns: in each it is asked for room.
struct Counted {
    events: mpsc::Sender<WebSocketEvent>,
    turns: Arc<AtomicUsize>,
}

impl EventSink for Counted {
    fn put(&mut self, event: WebSocketEvent, _: Instant) {
        let _ = self.events.send(event);
    }

    fn has_room(&mut self) -> bool {
        self.turns.fetch_add(1, Ordering::SeqCst);
        true
    }
}

#[test]
fn a_thread_makes_no_turns_of_which_nobody_is_told() {
    let server = serve_raw(Vec::new(), |mut tcp| frames_up_to_close(&mut tcp));
    let wait = Some(Duration::from_millis(2));
    let options = NonBlockingOptions::new().spin_wait_duration(wait).unwrap();
    let session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    let (events, received) = mpsc::channel();
    let turns = Arc::new(AtomicUsize::new(0));
    let mut client = ThreadedSession::new(session, Counted { events, turns: Arc::clone(&turns) });
    let thread = client.run().unwrap();
    assert!(matches!(received.recv().unwrap(), WebSocketEvent::Activated));
    assert!(received.recv_timeout(IDLE).is_err(), "nothing comes");
    let made = turns.load(Ordering::SeqCst);
    assert!(made < 20, "{made} turns");
    client.control().send(ControlMessage::ForceQuit).unwrap();
    thread.join().unwrap();
}
