//! Clients that do not read, that flood, or that never finish: what they cost the others and `stop`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod client;

use std::{
    io::{ErrorKind, Write},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use client::{Client, Stream, assert_echoes, connect, plain_server, tcp, tls_server};
use s9_websocket_echo::{EchoOptions, EchoServer};
use tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

/// More than the kernel buffers of both directions hold.
const MORE_THAN_FITS: usize = 256 << 20;
/// A write that takes this long is stuck.
const STUCK: Duration = Duration::from_millis(300);

fn is_would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

fn numbered(at: usize) -> Message {
    let mut payload = vec![at as u8; 16 * 1024];
    payload[..8].copy_from_slice(&(at as u64).to_be_bytes());
    Message::binary(payload)
}

/// Sends numbered messages, reading nothing, until the server takes no more; tells how many were begun.
fn stall(client: &mut Client) -> usize {
    client.set_config(|config| *config = WebSocketConfig::default().write_buffer_size(0));
    client.get_ref().tcp().set_write_timeout(Some(STUCK)).unwrap();
    for at in 0..MORE_THAN_FITS / (16 * 1024) {
        match client.send(numbered(at)) {
            Ok(()) => {}
            Err(error) if is_would_block(&error) => return at + 1,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the server read on while its echoes were not read");
}

fn a_client_that_does_not_read_is_not_read_from_and_loses_nothing(server: &EchoServer) {
    let mut slow = connect(server);
    let begun = stall(&mut slow);
    // Meanwhile others are served.
    assert_echoes(&mut connect(server), "someone else".into());

    // The rest of the last message goes out while the echoes are read.
    slow.get_ref().tcp().set_nonblocking(true).unwrap();
    let deadline = Instant::now() + client::DEADLINE;
    let mut expected = 0;
    while expected < begun {
        assert!(Instant::now() < deadline, "{expected} of {begun} messages came back");
        match slow.flush() {
            Ok(()) => {}
            Err(error) if is_would_block(&error) => {}
            Err(error) => panic!("{error}"),
        }
        match slow.read() {
            Ok(message) => {
                assert!(message == numbered(expected), "message {expected} of {begun} differs");
                expected += 1;
            }
            Err(error) if is_would_block(&error) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_loses_nothing_plain() {
    a_client_that_does_not_read_is_not_read_from_and_loses_nothing(&plain_server());
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_and_loses_nothing_over_tls() {
    a_client_that_does_not_read_is_not_read_from_and_loses_nothing(&tls_server());
}

#[test]
fn a_client_that_does_not_read_is_not_read_from_by_a_spinning_server() {
    let server = EchoServer::start(EchoOptions { spin: true, ..EchoOptions::default() }).unwrap();
    a_client_that_does_not_read_is_not_read_from_and_loses_nothing(&server);
}

#[test]
fn a_flooding_client_does_not_starve_another() {
    let server = plain_server();
    let flooding = connect(&server);
    let tcp = flooding.get_ref().tcp().try_clone().unwrap();
    let mut reader = WebSocket::from_raw_socket(tcp.try_clone().unwrap(), Role::Client, None);
    let mut writer = WebSocket::from_raw_socket(tcp, Role::Client, None);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut sent = 0_usize;
            while !done.load(Ordering::Relaxed) {
                writer.write(Message::binary(vec![7; 100])).unwrap();
                sent += 1;
            }
            writer.close(None).unwrap();
            sent
        });
        let drain = scope.spawn(|| {
            let mut received = 0_usize;
            while reader.read().unwrap().is_binary() {
                received += 1;
            }
            received
        });
        // One socket timeout is the deadline of each round trip.
        let mut other = connect(&server);
        for at in 0..200 {
            assert_echoes(&mut other, Message::text(at.to_string()));
        }
        done.store(true, Ordering::Relaxed);
        assert_eq!(flood.join().unwrap(), drain.join().unwrap());
    });
}

/// The machine may be busy with other tests: the best of three counts.
fn assert_stops_promptly(start: impl Fn() -> (EchoServer, Vec<Box<dyn std::any::Any>>)) {
    let best = (0..3)
        .map(|_| {
            let (server, _clients) = start();
            let begun = Instant::now();
            server.stop();
            begun.elapsed()
        })
        .min()
        .unwrap();
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[test]
fn stop_waits_for_no_client() {
    for server in [plain_server, tls_server] {
        assert_stops_promptly(|| {
            let server = server();
            let mut stalled = connect(&server);
            stall(&mut stalled);
            let mut large = connect(&server);
            // The start of a frame of 32 MiB that never goes on.
            large.get_mut().write_all(&[0x82, 0xff, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]).unwrap();
            let idle = connect(&server);
            let silent = tcp(server.port());
            let mut half_a_request = tcp(server.port());
            half_a_request.write_all(b"GET / HT").unwrap();
            (server, vec![Box::new((stalled, large, idle, silent, half_a_request))])
        });
    }
}

#[test]
fn stop_interrupts_a_flood_on_a_spinning_server() {
    assert_stops_promptly(|| {
        let server = EchoServer::start(EchoOptions { spin: true, ..EchoOptions::default() }).unwrap();
        let client = connect(&server);
        let flooding = client.get_ref().tcp().try_clone().unwrap();
        // Ends when the server does.
        let thread = thread::spawn(move || {
            let mut flooding = WebSocket::from_raw_socket(Stream::Plain(flooding), Role::Client, None);
            let mut until_gone = || -> tungstenite::Result<()> {
                loop {
                    flooding.send(Message::binary(vec![1; 1_000]))?;
                    flooding.read()?;
                }
            };
            until_gone()
        });
        assert_echoes(&mut connect(&server), "running".into());
        (server, vec![Box::new((client, thread))])
    });
}
