//! What compressed messages cost in memory, counted by an allocator of its own.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::Instant,
};

use s9_websocket_core::{
    Connection, Limits, PerMessageDeflateAgreement, PerMessageDeflateOptions, Step, WebSocketEvent,
};
use script::*;
use zlib_rs::{Deflate, DeflateFlush};

struct Counting;

// Of this thread: other tests, and the harness, allocate in theirs.
thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// Wraps around: what a thread frees may come from another.
    static IN_USE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn count(grown: usize, shrunk: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    let in_use = IN_USE.get().wrapping_add(grown);
    PEAK.set(PEAK.get().max(in_use));
    IN_USE.set(in_use.wrapping_sub(shrunk));
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.set(IN_USE.get().wrapping_sub(layout.size()));
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size.saturating_sub(layout.size()), layout.size().saturating_sub(size));
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn connection_over(bytes: Vec<u8>, limits: Limits) -> Connection<Script> {
    Connection::with_per_message_deflate(
        Script::new([Input::Bytes(bytes)]),
        Vec::new(),
        limits,
        PerMessageDeflateOptions::new().threshold(0),
        PerMessageDeflateAgreement::default(),
    )
}

fn deflated(message: &[u8], flush: DeflateFlush) -> Vec<u8> {
    let mut payload = vec![0; message.len() + 100];
    let mut deflate = Deflate::new(6, false, 15);
    deflate.compress(message, &mut payload, flush).unwrap();
    payload.truncate(deflate.total_out() as usize);
    payload
}

#[test]
fn a_bomb_of_1_gib_ends_in_1009_within_the_limit_and_a_chunk() {
    // A full flush begins anew, so what is made of 1 MiB of zeros stands for each.
    let mut bomb = deflated(&vec![0; 1 << 20], DeflateFlush::FullFlush).repeat(1 << 10);
    bomb.truncate(bomb.len() - 4);
    let bytes = raw_frame(0x80 | RSV1 | BINARY, &bomb);
    // No power of two, to which memory that doubles would come by itself.
    let (limit, on_the_way) = ((5 << 20) + 1, bytes.len());
    let limits = Limits { max_message_size: limit, ..Limits::default() };
    let mut connection = connection_over(bytes, limits);
    let before = IN_USE.get();
    PEAK.set(before);
    let log = events_to_the_end(&mut connection, Instant::now(), 100);
    assert_eq!(log, ["activated", "error ERR_S9_MESSAGE_TOO_LARGE", "quit"]);
    assert_eq!(connection.stream().frames(), [Frame::close(1009, "")]);
    let grown = PEAK.get() - before;
    // The payload itself, the limit, a chunk of 32 KiB, and the inflater's window and tables.
    let allowed = 2 * on_the_way + limit + (32 << 10) + (64 << 10);
    assert!(grown <= allowed, "{grown} bytes in use, {allowed} expected");
}

#[test]
fn a_message_in_steady_state_costs_no_allocation() {
    for size in [150, 1024, 16 << 10] {
        let mut text: String = (0..size / 10).map(|n| format!("{{\"price\":{n}}},")).collect();
        text.truncate(size);
        let mut payload = deflated(text.as_bytes(), DeflateFlush::SyncFlush);
        payload.truncate(payload.len() - 4);
        let messages = 3000;
        let bytes = raw_frame(0x80 | RSV1 | TEXT, payload).repeat(messages);
        let mut connection = connection_over(bytes, Limits::default());
        assert!(matches!(connection.step(Instant::now()), Step::Event(WebSocketEvent::Activated)));
        let mut step = || match connection.step(Instant::now()) {
            Step::Event(WebSocketEvent::TextMessage(message)) => assert_eq!(message, text),
            other => panic!("{other:?}"),
        };
        for _ in 0..messages / 2 {
            step();
        }
        let before = ALLOCATIONS.get();
        for _ in 0..messages / 2 {
            step();
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "of {size} bytes");
    }
}

#[test]
fn a_message_sent_compressed_costs_no_allocation_in_steady_state() {
    for size in [150, 1024, 16 << 10] {
        let text = "{\"price\":12345},".repeat(size / 16 + 1);
        let mut connection = connection_over(Vec::new(), Limits::default());
        let mut send = |count: usize| {
            for _ in 0..count {
                connection.send_text(&text[..size]).unwrap();
                connection.stream_mut().written.clear();
            }
        };
        send(500);
        let before = ALLOCATIONS.get();
        send(500);
        assert_eq!(ALLOCATIONS.get() - before, 0, "of {size} bytes");
    }
}

#[test]
fn compression_costs_a_connection_what_its_documentation_says() {
    const KIB: usize = 1 << 10;
    let mut payload = deflated(&[b'x'; 100_000], DeflateFlush::SyncFlush);
    payload.truncate(payload.len() - 4);
    let bytes = raw_frame(0x80 | RSV1 | TEXT, payload).repeat(50);
    let message = Input::Bytes(raw_frame(0x80 | TEXT, b"x"));
    let mut plain = Connection::new(Script::new([message]), Vec::new(), Limits::default());
    // It leaves what the connections of a thread share.
    events(&mut plain, Instant::now(), 2);
    plain.send_text("x").unwrap();
    let before = IN_USE.get();
    drop(plain);
    let of_a_plain_one = before - IN_USE.get();

    let before = IN_USE.get();
    let mut connection = connection_over(bytes, Limits::default());
    let since = || IN_USE.get().saturating_sub(before + of_a_plain_one);
    assert!(since() <= 100 * KIB, "{} bytes once agreed on", since());
    events(&mut connection, Instant::now(), 99);
    assert!(since() <= 150 * KIB, "{} bytes once received", since());
    for _ in 0..50 {
        connection.send_text(&"y".repeat(100_000)).unwrap();
    }
    connection.stream_mut().written = Vec::new();
    assert!(since() <= 540 * KIB, "{} bytes once sent", since());
}
