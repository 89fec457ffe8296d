//! Clients that are dropped while the server still sends: it is to read their Close all the same.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod server;

use std::{
    fs,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Instant,
};

use s9_websocket_core::*;
use server::*;
use tungstenite::Message;

/// The thread that holds sockets is one for the process.
static ALONE: Mutex<()> = Mutex::new(());

const MESSAGE: usize = 64 << 10;

fn connect<T>(server: &Server<T>) -> S9NonBlockingWebSocketClient {
    let tls = server.ca.clone().map_or(TlsOptions::default(), |ca| TlsOptions::new().ca(vec![ca]));
    S9NonBlockingWebSocketClient::connect(&server.url, NonBlockingOptions::new().tls(tls)).unwrap()
}

/// Sends until the client has gone.
fn flood(mut peer: Peer) {
    while peer.ws.send(Message::binary(vec![0; MESSAGE])).is_ok() {}
}

fn lingering_threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "s9-linger").count()
}

/// A thread takes its name once it runs.
fn await_lingering_threads(count: usize) {
    let deadline = Instant::now() + LONG;
    while lingering_threads() != count {
        assert!(Instant::now() < deadline, "{} threads linger", lingering_threads());
        thread::yield_now();
    }
}

#[test]
fn a_server_that_reads_only_after_it_has_sent_a_lot_reads_the_close() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for tls in [false, true] {
        let server = serve(tls, |mut peer| {
            // More than the kernel's buffers of both sides hold.
            for _ in 0..512 {
                peer.ws.send(Message::binary(vec![0; MESSAGE])).unwrap();
            }
            peer.read_to_end()
        });
        drop(connect(&server));
        assert_eq!(server.join(), ["close 1000 ", "end after close"], "TLS: {tls}");
    }
}

#[test]
fn many_clients_dropped_at_once_are_held_by_one_thread_which_ends_after_them() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let servers: Vec<_> = (0..8).map(|_| serve(false, flood)).collect();
    let clients: Vec<_> = servers.iter().map(connect).collect();
    drop(clients);
    if cfg!(target_os = "linux") {
        assert!(lingering_threads() <= 1);
    }
    // Each is left by and by, though its server never stops.
    servers.into_iter().for_each(Server::join);
    if cfg!(target_os = "linux") {
        await_lingering_threads(0);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn where_the_code_is_unloaded_no_thread_is_left_and_none_begins() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let servers = [serve(false, flood), serve(false, flood)];
    let [now, later] = [connect(&servers[0]), connect(&servers[1])];
    drop(now);
    end_lingering();
    assert_eq!(lingering_threads(), 0);
    drop(later);
    assert_eq!(lingering_threads(), 0);
    servers.into_iter().for_each(Server::join);

    // Other threads may go on.
    let server = serve(false, flood);
    let client = connect(&server);
    thread::spawn(move || drop(client)).join().unwrap();
    await_lingering_threads(1);
    server.join();
}

#[test]
fn a_thread_that_lets_nothing_linger_leaves_the_sockets_that_do() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (told, may_read) = mpsc::channel();
    let held = serve(false, move |mut peer| {
        peer.ws.send(Message::binary(vec![0; MESSAGE])).unwrap();
        may_read.recv().unwrap();
        // Nobody would take this, and nobody would read on behind it.
        for _ in 0..512 {
            peer.ws.send(Message::binary(vec![0; MESSAGE])).unwrap();
        }
        peer.read_to_end()
    });
    let flooding = serve(false, flood);
    let (first, second) = (connect(&held), connect(&flooding));
    drop(first);
    thread::spawn(|| {
        end_lingering_here();
        drop(second);
    })
    .join()
    .unwrap();
    told.send(()).unwrap();
    assert_eq!(held.join(), ["close 1000 ", "end after close"]);
    flooding.join();
}
