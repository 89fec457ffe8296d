//! A message received or sent on the plain path allocates nothing once buffers have grown, counted by an
//! allocator of its own over real sockets.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod server;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    io::{self, Read, Write},
    net::TcpStream,
    time::Instant,
};

use bytes::Bytes;
use s9_websocket_core::{
    Connection, Limits, NonBlockingOptions, S9NonBlockingWebSocketClient, S9WebSocketClientHandler, Step,
    WebSocketEvent,
};
use server::{LONG, serve_raw};

struct Counting;

thread_local! {
    /// Of this thread: the servers allocate in theirs.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn allocations() -> usize {
    ALLOCATIONS.get()
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const SIZES: [usize; 2] = [64, 1024];
/// More than all buffers hold, so that each is filled and emptied many times.
const MESSAGES: usize = 8000;
/// After these, buffers have grown.
const WARM: usize = 1000;
/// A buffer may still grow: tungstenite's for reading when a frame is first cut at its end, from 16 to
/// 32 KiB, and ours for what the kernel does not take when it first takes less than all.
const LATE_GROWTH: usize = 3;

/// A server's unmasked frame.
fn frame(first: u8, size: usize) -> Vec<u8> {
    let mut bytes = match size {
        0..=125 => vec![first, size as u8],
        _ => vec![first, 126, (size >> 8) as u8, size as u8],
    };
    bytes.resize(bytes.len() + size, b'x');
    bytes
}

/// Counts messages and looks at the allocations between two of them.
#[derive(Default)]
struct Counts {
    seen: usize,
    when_warm: usize,
    at_the_end: usize,
}

impl Counts {
    fn message(&mut self, data: Bytes, size: usize) {
        assert_eq!(data.len(), size);
        drop(data);
        self.seen += 1;
        match self.seen {
            WARM => self.when_warm = allocations(),
            MESSAGES => self.at_the_end = allocations(),
            _ => {}
        }
    }

    fn in_steady_state(&self) -> usize {
        assert_eq!(self.seen, MESSAGES);
        self.at_the_end - self.when_warm
    }
}

struct Receiver {
    size: usize,
    counts: Counts,
}

impl S9WebSocketClientHandler<S9NonBlockingWebSocketClient> for Receiver {
    fn on_text_message(&mut self, _: &mut S9NonBlockingWebSocketClient, text: Bytes) {
        self.counts.message(text, self.size);
    }

    fn on_binary_message(&mut self, _: &mut S9NonBlockingWebSocketClient, data: Bytes) {
        self.counts.message(data, self.size);
    }
}

/// Upgrades a connection and sends it messages until it is gone.
fn flooding(first: u8, size: usize) -> server::Server<()> {
    serve_raw(Vec::new(), move |mut tcp| {
        let frames = frame(first, size).repeat(MESSAGES);
        tcp.write_all(&frames).unwrap();
        let _ = tcp.read(&mut [0]);
    })
}

#[test]
fn a_client_receives_without_allocating() {
    for (first, size) in [TEXT, BINARY].into_iter().flat_map(|first| SIZES.map(|size| (first, size))) {
        let server = flooding(first, size);
        let mut client =
            S9NonBlockingWebSocketClient::connect(&server.url, NonBlockingOptions::new()).unwrap();
        let mut receiver = Receiver { size, counts: Counts::default() };
        let start = Instant::now();
        while receiver.counts.seen < MESSAGES {
            assert!(client.poll(&mut receiver) && start.elapsed() < LONG);
        }
        let allocated = receiver.counts.in_steady_state();
        assert!(allocated <= LATE_GROWTH, "{allocated} of opcode {first:#x}, {size} bytes");
        drop(client);
        server.join();
    }
}

/// A connected pair; the first of the two does not block.
fn pair() -> (TcpStream, TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    near.set_nonblocking(true).unwrap();
    let far = listener.accept().unwrap().0;
    far.set_read_timeout(Some(LONG)).unwrap();
    (near, far)
}

#[test]
fn a_step_allocates_nothing() {
    for (first, size) in [TEXT, BINARY].into_iter().flat_map(|first| SIZES.map(|size| (first, size))) {
        let (near, mut far) = pair();
        let server = std::thread::spawn(move || {
            far.write_all(&frame(first, size).repeat(MESSAGES)).unwrap();
            far
        });
        let mut connection = Connection::new(near, Vec::new(), Limits::default());
        let (mut counts, start) = (Counts::default(), Instant::now());
        while counts.seen < MESSAGES {
            assert!(start.elapsed() < LONG);
            match connection.step(start) {
                Step::Event(WebSocketEvent::TextMessage(data) | WebSocketEvent::BinaryMessage(data)) => {
                    counts.message(data, size);
                }
                Step::Event(WebSocketEvent::Activated) | Step::Idle => {}
                other => panic!("{other:?}"),
            }
        }
        let allocated = counts.in_steady_state();
        assert!(allocated <= LATE_GROWTH, "{allocated} of opcode {first:#x}, {size} bytes");
        server.join().unwrap();
    }
}

/// Sends messages one by one; how many allocations those after the first cost.
fn sent(send: impl Fn(&mut Connection<TcpStream>)) -> usize {
    let (near, mut far) = pair();
    let server = std::thread::spawn(move || io::copy(&mut far, &mut io::sink()).unwrap());
    let mut connection = Connection::new(near, Vec::new(), Limits::default());
    let mut send_whole = |count: usize| {
        for _ in 0..count {
            send(&mut connection);
            // What the kernel does not take at once is kept, and its buffer grows.
            while connection.buffered_amount() > 0 {
                let _ = connection.step(Instant::now());
            }
        }
    };
    send_whole(WARM);
    let before = allocations();
    send_whole(MESSAGES - WARM);
    let allocated = allocations() - before;
    drop(connection);
    server.join().unwrap();
    allocated
}

#[test]
fn a_send_allocates_nothing() {
    for size in SIZES {
        let text = "x".repeat(size);
        let data = Bytes::from(text.clone());
        let of_text = sent(|connection| assert!(connection.send_text(&text).is_ok()));
        assert!(of_text <= LATE_GROWTH, "{of_text} of text, {size} bytes");
        let of_binary = sent(|connection| assert!(connection.send_binary(data.clone()).is_ok()));
        assert!(of_binary <= LATE_GROWTH, "{of_binary} of binary, {size} bytes");
    }
}

#[test]
fn a_corked_batch_of_sends_allocates_nothing() {
    let text = "x".repeat(64);
    let allocated = sent(|connection| {
        connection.cork();
        for _ in 0..10 {
            connection.send_text(&text).unwrap();
        }
        connection.uncork();
    });
    assert!(allocated <= LATE_GROWTH, "{allocated}");
}
