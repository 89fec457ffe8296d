#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{Canceller, Deadline, Transport, dial::connect_any};
use crate::{error::ErrorCode, options::ConnectionOptions, wait::Interest};

/// Longer than any test takes; a test that runs into it fails.
pub(super) const LONG: Duration = Duration::from_secs(20);

pub(super) fn deadline(limit: Duration) -> Deadline {
    Deadline::start(limit, &Canceller::new()).unwrap()
}

pub(super) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(super) fn options() -> ConnectionOptions {
    ConnectionOptions::default()
}

/// A transport in the clear and the other end of its connection.
fn pair() -> (Transport, TcpStream) {
    let (listener, address) = listener();
    let socket = connect_any("test", vec![address], &options(), &mut deadline(LONG)).unwrap();
    (Transport::plain(socket, &options()), listener.accept().unwrap().0)
}

/// Waits until the transport's socket has something to read.
pub(super) fn until_readable(transport: &Transport) {
    let interest = Interest { read: true, write: false };
    deadline(LONG).wait_for_socket("test", transport.socket(), interest).unwrap();
}

#[test]
fn the_facade_works_while_the_connection_lives_and_then_says_that_it_is_gone() {
    let (transport, peer) = pair();
    let socket = transport.s9_socket();
    assert_eq!(socket.peer_address().unwrap(), peer.local_addr().unwrap());
    assert_eq!(socket.local_address().unwrap(), peer.peer_addr().unwrap());
    socket.set_nodelay(true).unwrap();
    socket.set_ttl(9).unwrap();
    assert_eq!((socket.nodelay().unwrap(), socket.ttl().unwrap()), (true, 9));
    assert_eq!(socket.set_ttl(0).unwrap_err().code(), ErrorCode::InvalidConfiguration);
    assert!(socket.raw_fd().unwrap() > 0 && socket.tls().is_none());
    drop(transport);
    assert_eq!(socket.nodelay().unwrap_err().code(), ErrorCode::SocketUnavailable);
}

#[test]
fn a_turn_reads_the_kernel_once() {
    let (mut transport, mut peer) = pair();
    let mut bytes = [0; 16];
    transport.begin_turn();
    assert_eq!(transport.read(&mut bytes).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert!(!transport.has_read(), "an idle read is no read");
    peer.write_all(b"one").unwrap();
    until_readable(&transport);
    let before = transport.received_at();
    assert_eq!(transport.read(&mut bytes[..2]).unwrap(), 2);
    assert!(transport.has_read() && transport.received_at() > before);
    peer.write_all(b"two").unwrap();
    until_readable(&transport);
    assert_eq!(transport.read(&mut bytes).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    transport.begin_turn();
    assert!(!transport.has_read());
    let mut rest = 4;
    while rest > 0 {
        rest -= transport.read(&mut bytes[..1]).unwrap();
        transport.begin_turn();
    }
    drop(peer);
    transport.begin_turn();
    until_readable(&transport);
    assert_eq!(transport.read(&mut bytes).unwrap(), 0);
    assert_eq!(transport.read(&mut bytes).unwrap(), 0, "the end is not gated");
    assert!(!transport.has_read());
}

#[test]
fn a_shut_gate_keeps_a_blocking_read_from_blocking() {
    let (mut transport, mut peer) = pair();
    transport.set_blocking(None).unwrap();
    peer.write_all(b"one").unwrap();
    transport.begin_turn();
    let mut bytes = [0; 16];
    assert_eq!(transport.read(&mut bytes).unwrap(), 3);
    assert_eq!(transport.read(&mut bytes).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_read_timeout_is_would_block_and_zero_is_no_eternity() {
    let (mut transport, _peer) = pair();
    transport.set_blocking(None).unwrap();
    transport.arm_read_timeout(Some(Duration::ZERO)).unwrap();
    transport.begin_turn();
    assert_eq!(transport.read(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    transport.arm_read_timeout(None).unwrap();
    assert_eq!(transport.socket().read_timeout().unwrap(), None);
    transport.set_non_blocking().unwrap();
    assert_eq!(transport.read(&mut [0; 16]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_write_timeout_is_would_block() {
    let (mut transport, _peer) = pair();
    transport.set_blocking(Some(Duration::from_millis(1))).unwrap();
    let bytes = vec![0; 1 << 20];
    let error = loop {
        if let Err(error) = transport.write(&bytes) {
            break error;
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_write_taken_in_part_would_block_next_though_the_peer_reads() {
    let (mut transport, mut peer) = pair();
    transport.set_blocking(Some(Duration::from_millis(1))).unwrap();
    let bytes = vec![0; 64 << 20];
    let taken = transport.write(&bytes).unwrap();
    assert!(taken < bytes.len());
    peer.read_exact(&mut vec![0; taken]).unwrap();
    assert_eq!(transport.write(&bytes[taken..]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert!(transport.write(&bytes[taken..]).unwrap() > 0);
}

/// Left to itself, a close with bytes unread resets the connection and destroys what was written.
#[test]
fn the_writes_of_a_turn_are_bounded_together_though_the_peer_lets_each_go_on() {
    const LIMIT: Duration = Duration::from_millis(200);
    let (mut transport, mut peer) = pair();
    transport.socket().set_send_buffer_size(4 << 10).unwrap();
    transport.set_blocking(Some(LIMIT)).unwrap();
    let slow_reader = thread::spawn(move || {
        let mut chunk = [0; 4 << 10];
        while peer.read(&mut chunk).is_ok_and(|count| count > 0) {
            thread::sleep(LIMIT / 100);
        }
    });
    transport.begin_turn();
    let start = Instant::now();
    let blocked = loop {
        if let Err(error) = transport.write(&[7; 4 << 10]) {
            break error;
        }
        assert!(start.elapsed() < LONG, "every write goes on");
    };
    assert_eq!(blocked.kind(), io::ErrorKind::WouldBlock);
    transport.retry_write();
    assert_eq!(transport.write(&[7]).unwrap(), 1);
    drop(transport);
    slow_reader.join().unwrap();
}

#[test]
fn dropping_does_not_destroy_what_was_written() {
    let (mut transport, mut peer) = pair();
    peer.write_all(&[7; 4096]).unwrap();
    until_readable(&transport);
    transport.write_all(b"last words").unwrap();
    drop(transport);
    let mut heard = Vec::new();
    peer.set_read_timeout(Some(LONG)).unwrap();
    peer.read_to_end(&mut heard).unwrap();
    assert_eq!(heard, b"last words");
    // A reset behind the FIN leaves its mark, even where Linux still hands out what came before.
    assert!(peer.take_error().unwrap().is_none());
}

#[test]
fn an_abort_ends_both_directions_at_once() {
    let (mut transport, mut peer) = pair();
    let kept_open = Arc::clone(transport.socket());
    transport.abort();
    peer.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(peer.read(&mut [0; 16]).unwrap(), 0);
    assert_eq!(transport.read(&mut [0; 16]).unwrap(), 0);
    drop(kept_open);
}

#[cfg(target_os = "linux")]
#[test]
fn a_write_to_a_reset_connection_is_an_error_and_no_signal() {
    let (mut transport, peer) = pair();
    peer.shutdown(std::net::Shutdown::Both).unwrap();
    drop(peer);
    let error = loop {
        if let Err(error) = transport.write(b"x") {
            break error;
        }
    };
    assert!(matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
}
