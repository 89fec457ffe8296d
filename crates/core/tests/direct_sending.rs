//! Sending past a thread that sleeps: on the thread of the sender, and in order all the same.
//!
//! The client's thread is held up as it goes to sleep, so that nobody but the sender can have sent what
//! arrives.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod server;

use std::{
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use s9_websocket_core::*;
use server::*;

/// A client whose thread is held up in a listener, right before it sleeps.
struct Held {
    client: S9AsyncNonBlockingWebSocketClient,
    release: mpsc::Sender<()>,
    _listener: Listener,
}

fn options() -> NonBlockingOptions {
    NonBlockingOptions::new().nodelay(true).spin_wait_duration(Some(Duration::from_secs(60))).unwrap()
}

fn hold_up(url: &str, options: NonBlockingOptions) -> Held {
    let mut client = S9AsyncNonBlockingWebSocketClient::connect(url, options).unwrap();
    let signal = client.event_signal();
    let (release, released) = mpsc::channel();
    let (reached, is_held) = mpsc::channel();
    let released = Mutex::new(released);
    let listener = signal.listen(move || {
        let _ = reached.send(());
        // Fails once the test is over.
        let _ = released.lock().unwrap().recv();
    });
    signal.arm();
    client.run().unwrap();
    is_held.recv_timeout(LONG).unwrap();
    Held { client, release, _listener: listener }
}

impl Held {
    fn send(&self, text: &str) {
        self.client.control_tx.send_text(text).unwrap();
    }

    /// Lets the thread go on, closes, and lets go of the client.
    fn finish(self) {
        self.release.send(()).unwrap();
        self.client.control_tx.send(ControlMessage::Close(None)).unwrap();
        while self.client.event_rx.recv_timeout(LONG).is_ok() {}
    }
}

/// A server that tells of each message as it comes.
fn telling(tls: bool) -> (Server<Vec<String>>, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let server = serve(tls, move |mut peer| {
        for _ in 0..3 {
            tell.send(peer.read().to_string()).unwrap();
        }
        peer.read_to_end()
    });
    (server, told)
}

#[test]
fn a_sleeping_threads_messages_are_sent_by_the_sender() {
    for tls in [false, true] {
        let (server, told) = telling(tls);
        let trusting = TlsOptions::new().reject_unauthorized(false);
        let held = hold_up(&server.url, options().tls(trusting));
        for text in ["one", "two", "three"] {
            held.send(text);
            assert_eq!(told.recv_timeout(LONG).unwrap(), text);
            assert_eq!(held.client.buffered_amount(), 0);
        }
        held.finish();
        assert_eq!(server.join(), ["close 1000 ", "end after close"]);
    }
}

#[test]
fn a_cork_over_a_sleeping_thread_is_sent_by_the_sender() {
    let (server, told) = telling(false);
    let held = hold_up(&server.url, options());
    held.client.control_tx.cork(|_| {
        for text in ["one", "two", "three"] {
            held.send(text);
        }
        assert_eq!(held.client.buffered_amount(), 3 * 6 + 11, "bytes of frames");
    });
    assert_eq!(held.client.buffered_amount(), 0);
    for text in ["one", "two", "three"] {
        assert_eq!(told.recv_timeout(LONG).unwrap(), text);
    }
    held.finish();
    server.join();
}

#[test]
fn what_the_thread_is_to_send_is_not_overtaken() {
    let server = serve(false, Peer::read_to_end);
    let held = hold_up(&server.url, options());
    // Too large for the sender.
    let large = "x".repeat((16 << 10) + 1);
    held.send(&large);
    assert_eq!(held.client.buffered_amount(), 8 + large.len());
    held.send("behind it");
    assert_eq!(held.client.buffered_amount(), 8 + large.len() + 6 + 9);
    held.finish();
    let lines = server.join();
    assert_eq!(lines, [&format!("text {large}"), "text behind it", "close 1000 ", "end after close"]);
}

#[test]
fn a_flood_keeps_its_order_whoever_sends_it() {
    let server = serve(false, Peer::read_to_end);
    let held = hold_up(&server.url, options());
    (0..100).for_each(|number| held.send(&number.to_string()));
    held.release.send(()).unwrap();
    (100..5_000).for_each(|number| held.send(&number.to_string()));
    held.finish();
    let lines = server.join();
    let expected: Vec<_> = (0..5_000).map(|number| format!("text {number}")).collect();
    assert_eq!(lines[..5_000], expected);
}

#[test]
fn the_thread_goes_on_with_what_the_kernel_did_not_take_from_the_sender() {
    let (go, gone) = mpsc::channel::<()>();
    let server = serve_with_buffer(false, Some(4 << 10), move |peer| {
        gone.recv_timeout(LONG).unwrap();
        peer.read_to_end()
    });
    let held = hold_up(&server.url, options().send_buffer_size(Some(4 << 10)).unwrap());
    // Far more than both kernel buffers hold, each message little enough for the sender.
    let text = "x".repeat(16 << 10);
    let mut count = 0;
    while held.client.buffered_amount() == 0 && count < 1_000 {
        held.send(&text);
        count += 1;
    }
    assert!(held.client.buffered_amount() > 0);
    held.release.send(()).unwrap();
    go.send(()).unwrap();
    // Nothing else comes that would give the thread a turn.
    let start = Instant::now();
    while held.client.buffered_amount() > 0 {
        assert!(start.elapsed() < LONG, "{} bytes count as unsent", held.client.buffered_amount());
        std::thread::yield_now();
    }
    held.finish();
    let lines = server.join();
    assert_eq!(lines.len(), count + 2);
    assert!(lines[..count].iter().all(|line| line.len() == "text ".len() + text.len()));
}
