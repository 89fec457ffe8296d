//! What a connection that has nothing to do holds in memory, counted by an allocator of its own and, for
//! TLS, by OpenSSL's hooks.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod server;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ffi::{c_char, c_int, c_void},
    io::{Read, Write},
    net::TcpStream,
    sync::Once,
    time::Instant,
};

use bytes::Bytes;
use s9_websocket_core::{
    NonBlockingOptions, S9NonBlockingWebSocketClient, S9WebSocketClientHandler, TlsOptions,
};
use server::{LONG, Server, serve, serve_raw};

struct Counting;

thread_local! {
    /// Of this thread: the servers allocate in theirs. Wraps around: what a thread frees may come from
    /// another.
    static IN_USE: Cell<usize> = const { Cell::new(0) };
}

fn count(allocated: usize, freed: usize) {
    IN_USE.set(IN_USE.get().wrapping_add(allocated).wrapping_sub(freed));
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promises are those asked for.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// OpenSSL's own allocations, of which Rust's allocator does not hear.
mod openssl_memory {
    use super::*;

    thread_local! {
        static IN_USE: Cell<usize> = const { Cell::new(0) };
    }

    unsafe extern "C" {
        fn CRYPTO_set_mem_functions(
            malloc: unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void,
            realloc: unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void,
            free: unsafe extern "C" fn(*mut c_void, *const c_char, c_int),
        ) -> c_int;
    }

    unsafe extern "C" fn malloc(size: usize, _: *const c_char, _: c_int) -> *mut c_void {
        // SAFETY: every size is allowed.
        let pointer = unsafe { libc::malloc(size) };
        count(pointer, usize::wrapping_add);
        pointer
    }

    unsafe extern "C" fn realloc(old: *mut c_void, size: usize, _: *const c_char, _: c_int) -> *mut c_void {
        count(old, usize::wrapping_sub);
        // SAFETY: OpenSSL gives what `malloc` gave it.
        let pointer = unsafe { libc::realloc(old, size) };
        count(pointer, usize::wrapping_add);
        pointer
    }

    unsafe extern "C" fn free(pointer: *mut c_void, _: *const c_char, _: c_int) {
        count(pointer, usize::wrapping_sub);
        // SAFETY: OpenSSL gives what `malloc` gave it.
        unsafe { libc::free(pointer) };
    }

    fn count(pointer: *mut c_void, how: fn(usize, usize) -> usize) {
        // SAFETY: the pointer is null or one that `malloc` gave.
        let size = unsafe { libc::malloc_usable_size(pointer) };
        let _ = IN_USE.try_with(|in_use| in_use.set(how(in_use.get(), size)));
    }

    /// Begins to count. Takes effect only before OpenSSL has allocated anything.
    pub(super) fn watch() {
        static WATCH: Once = Once::new();
        // SAFETY: the three functions belong together.
        WATCH.call_once(|| assert_eq!(unsafe { CRYPTO_set_mem_functions(malloc, realloc, free) }, 1));
    }

    /// Bytes in use that this thread has allocated.
    pub(super) fn in_use() -> usize {
        IN_USE.get()
    }
}

const KIB: usize = 1 << 10;
/// The client itself, the server's headers, and what TLS has settled.
const MOST_IDLE: usize = 3 * KIB;
/// OpenSSL's state of a connection: the keys, the session, the peer's certificate.
const MOST_OF_OPENSSL: usize = 40 * KIB;
/// What the connections of a thread share: memory to read into, a context of tungstenite's, a frame.
const MOST_SHARED: usize = 160 * KIB;
const LARGE: usize = 16 << 20;

/// Counts the bytes of messages and drops them.
#[derive(Default)]
struct Receiver(usize);

impl S9WebSocketClientHandler<S9NonBlockingWebSocketClient> for Receiver {
    fn on_text_message(&mut self, _: &mut S9NonBlockingWebSocketClient, text: Bytes) {
        self.0 += text.len();
    }

    fn on_binary_message(&mut self, _: &mut S9NonBlockingWebSocketClient, data: Bytes) {
        self.0 += data.len();
    }
}

fn options<T>(server: &Server<T>) -> NonBlockingOptions {
    let tls = server.ca.clone().map_or(TlsOptions::default(), |ca| TlsOptions::new().ca([ca]));
    NonBlockingOptions::new().tls(tls)
}

fn connect<T>(server: &Server<T>) -> Box<S9NonBlockingWebSocketClient> {
    Box::new(S9NonBlockingWebSocketClient::connect(&server.url, options(server)).unwrap())
}

/// Has the connector made that all connections with a server's certificate share.
fn prepare<T>(server: &Server<T>) {
    // Nobody listens there.
    assert!(S9NonBlockingWebSocketClient::connect("wss://127.0.0.1:1", options(server)).is_err());
}

/// Turns until so many bytes of messages have come, and some more that bring nothing.
fn receive(client: &mut S9NonBlockingWebSocketClient, bytes: usize) {
    let (mut receiver, start) = (Receiver::default(), Instant::now());
    while receiver.0 < bytes {
        assert!(client.poll(&mut receiver) && start.elapsed() < LONG);
    }
    for _ in 0..10 {
        assert!(client.poll(&mut receiver));
    }
}

/// Leaves behind what the connections of a thread share, and what a process sets up once.
fn warm_up(tls: bool) {
    let server = serve(tls, |mut peer| {
        peer.text("warm");
        peer.read_to_end();
    });
    let mut client = connect(&server);
    client.send_text_message("warm").unwrap();
    receive(&mut client, 4);
    drop(client);
    server.join();
}

#[test]
fn an_idle_connection_holds_next_to_nothing() {
    openssl_memory::watch();
    for tls in [false, true] {
        warm_up(tls);
        let server = serve(tls, |mut peer| {
            peer.text("hello");
            peer.read_to_end();
        });
        prepare(&server);
        let before = (IN_USE.get(), openssl_memory::in_use());
        let mut client = connect(&server);
        receive(&mut client, 5);
        client.send_text_message("hello").unwrap();
        let held = IN_USE.get().wrapping_sub(before.0);
        assert!(held <= MOST_IDLE, "{held} bytes, TLS: {tls}");
        let held = openssl_memory::in_use().wrapping_sub(before.1);
        assert!(held <= MOST_OF_OPENSSL && (held > 0) == tls, "{held} bytes of OpenSSL's, TLS: {tls}");
        drop(client);
        server.join();
    }
}

/// A server's unmasked frame.
fn frame(first: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![first, 127];
    bytes.extend((size as u64).to_be_bytes());
    bytes.resize(bytes.len() + size, b'x');
    bytes
}

/// Upgrades a connection, sends it these bytes, and reads until it is gone.
fn sending(bytes: Vec<u8>) -> Server<()> {
    serve_raw(Vec::new(), move |mut tcp: TcpStream| {
        tcp.write_all(&bytes).unwrap();
        drop(bytes);
        let mut sink = vec![0; 64 * KIB];
        while tcp.read(&mut sink).is_ok_and(|count| count > 0) {}
    })
}

#[test]
fn a_connection_does_not_keep_what_large_messages_needed() {
    openssl_memory::watch();
    const BINARY: u8 = 0x82;
    warm_up(false);
    let server = sending(frame(BINARY, LARGE));
    let before = IN_USE.get();
    let mut client = connect(&server);
    receive(&mut client, LARGE);
    let held = IN_USE.get().wrapping_sub(before);
    assert!(held <= MOST_IDLE + MOST_SHARED, "{held} bytes after a message of {LARGE} was received");

    client.send_binary_message(vec![b'y'; LARGE]).unwrap();
    for _ in 0..100_000 {
        client.send_text_message("after it").unwrap();
    }
    let start = Instant::now();
    while client.buffered_amount() > 0 {
        assert!(client.poll(&mut Receiver::default()) && start.elapsed() < LONG);
    }
    let held = IN_USE.get().wrapping_sub(before);
    assert!(
        held <= MOST_IDLE + MOST_SHARED,
        "{held} bytes after a message of {LARGE} and many more were sent"
    );
    drop(client);
    server.join();
}
