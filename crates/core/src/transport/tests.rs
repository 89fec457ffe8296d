#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use super::{Canceller, Deadline, Transport, dial, dial::connect_any};
use crate::{
    error::{Error, ErrorCode},
    options::ConnectionOptions,
    wait::Interest,
};

/// Longer than any test takes; a test that runs into it fails.
const LONG: Duration = Duration::from_secs(20);

fn deadline(limit: Duration) -> Deadline {
    Deadline::start(limit, &Canceller::new()).unwrap()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address that refuses connections: its port is taken, but nobody listens.
fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// An address that never answers: the queue of its listener is full, so Linux drops each SYN.
struct BlackHole {
    address: SocketAddr,
    _listener: Socket,
    _queued: Vec<Socket>,
}

impl BlackHole {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let queued = (0..4)
            .map(|_| {
                let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                socket.set_nonblocking(true).unwrap();
                let _ = socket.connect(&address.into());
                socket
            })
            .collect();
        Self { address, _listener: listener, _queued: queued }
    }
}

fn options() -> ConnectionOptions {
    ConnectionOptions::default()
}

/// A transport in the clear and the other end of its connection.
fn pair() -> (Transport, TcpStream) {
    let (listener, address) = listener();
    let socket = connect_any("test", vec![address], &options(), &mut deadline(LONG)).unwrap();
    (Transport::plain(socket, &options()), listener.accept().unwrap().0)
}

/// Waits until the transport's socket has something to read.
fn until_readable(transport: &Transport) {
    let interest = Interest { read: true, write: false };
    deadline(LONG).wait_for_socket("test", transport.socket(), interest).unwrap();
}

#[test]
fn a_name_is_resolved_and_connected_to() {
    let (listener, address) = listener();
    let socket = dial("localhost", address.port(), &options(), &mut deadline(LONG)).unwrap();
    assert_eq!(socket.peer_addr().unwrap().as_socket(), Some(address));
    drop(listener);
}

#[test]
fn a_name_that_does_not_exist_says_so() {
    let error = dial("no-such-host.invalid", 1, &options(), &mut deadline(LONG)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Io);
    assert!(error.to_string().contains("resolving \"no-such-host.invalid\""), "{error}");
}

#[test]
fn a_refusing_address_falls_through_to_the_next_at_once() {
    let (_refusing, bad) = refusing();
    let (_listener, good) = listener();
    let started = Instant::now();
    let addresses = vec![bad, good];
    let socket = connect_any("test", addresses, &options(), &mut deadline(LONG)).unwrap();
    assert_eq!(socket.peer_addr().unwrap().as_socket(), Some(good));
    // Not after the delay between attempts; a thirtieth of it would do on a machine at rest.
    assert!(started.elapsed() < Duration::from_millis(200), "{:?}", started.elapsed());
}

#[cfg(target_os = "linux")]
#[test]
fn a_silent_address_does_not_use_up_the_time_of_a_good_one() {
    let black_hole = BlackHole::new();
    let (_listener, good) = listener();
    let addresses = vec![black_hole.address, good];
    let socket = connect_any("test", addresses, &options(), &mut deadline(LONG)).unwrap();
    assert_eq!(socket.peer_addr().unwrap().as_socket(), Some(good));
}

#[cfg(target_os = "linux")]
#[test]
fn a_failure_starts_the_next_attempt_while_others_go_on() {
    let black_hole = BlackHole::new();
    let refusing: Vec<_> = (0..10).map(|_| refusing()).collect();
    let (_listener, good) = listener();
    let started = Instant::now();
    let addresses =
        [black_hole.address].into_iter().chain(refusing.iter().map(|(_, address)| *address)).chain([good]);
    let socket = connect_any("test", addresses.collect(), &options(), &mut deadline(LONG)).unwrap();
    assert_eq!(socket.peer_addr().unwrap().as_socket(), Some(good));
    // One delay of 250 ms, behind the black hole, not eleven.
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
}

#[test]
fn every_address_is_in_the_error() {
    let ((_a, first), (_b, second)) = (refusing(), refusing());
    let addresses = vec![first, second];
    let error = connect_any("test", addresses, &options(), &mut deadline(LONG)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&first.to_string()) && text.contains(&second.to_string()), "{text}");
    let Error::Io { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
}

#[cfg(target_os = "linux")]
#[test]
fn a_timeout_tells_what_became_of_each_address() {
    let (_refusing, refused) = refusing();
    let black_hole = BlackHole::new();
    let addresses = vec![refused, black_hole.address];
    let limit = Duration::from_millis(50);
    let error = connect_any("test", addresses, &options(), &mut deadline(limit)).unwrap_err();
    let Error::Timeout { phase, after, detail } = &error else { panic!("{error:?}") };
    assert_eq!((*phase, *after), ("TCP connect", limit));
    assert!(detail.contains(&format!("; {}: no answer", black_hole.address)), "{detail}");
    assert!(detail.contains(&format!("; {refused}: ")), "{detail}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_connect_can_be_cancelled_from_another_thread() {
    let black_hole = BlackHole::new();
    let canceller = Canceller::new();
    let mut deadline = Deadline::start(LONG, &canceller).unwrap();
    let started = Instant::now();
    let thread = thread::spawn(move || canceller.cancel());
    let error = connect_any("test", vec![black_hole.address], &options(), &mut deadline).unwrap_err();
    assert_eq!(error.to_string(), "connection closed: the connect was cancelled");
    assert!(started.elapsed() < LONG / 2, "woken, not timed out");
    thread.join().unwrap();
}

#[test]
fn families_alternate_and_the_preferred_one_leads() {
    let (_listener, good) = listener();
    let v6 = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    let order = super::dial::interleaved(vec![v6(1), v6(2), good, v6(1), v6(3)]);
    assert_eq!(order, [v6(1), good, v6(2), v6(3)]);
}

#[test]
fn a_local_address_leaves_out_the_other_family() {
    let (_listener, good) = listener();
    let local = ConnectionOptions { local_address: Some(Ipv4Addr::LOCALHOST.into()), ..options() };
    let foreign = SocketAddr::from((Ipv6Addr::LOCALHOST, good.port()));
    let socket = connect_any("test", vec![foreign, good], &local, &mut deadline(LONG)).unwrap();
    assert_eq!(socket.peer_addr().unwrap().as_socket(), Some(good));
    let error = connect_any("test", vec![foreign], &local, &mut deadline(LONG)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidConfiguration);
    assert!(error.to_string().contains("localAddress"), "{error}");
}

#[test]
fn options_are_on_the_socket() {
    let (_listener, good) = listener();
    let options = ConnectionOptions {
        nodelay: Some(true),
        ttl: Some(7),
        keep_alive: Some(Duration::from_secs(9)),
        receive_buffer_size: Some(32 << 10),
        send_buffer_size: Some(32 << 10),
        ..options()
    };
    let socket = connect_any("test", vec![good], &options, &mut deadline(LONG)).unwrap();
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
    assert_eq!(socket.ttl_v4().unwrap(), 7);
    // Linux doubles the sizes for its bookkeeping.
    assert!((32 << 10..=64 << 10).contains(&socket.recv_buffer_size().unwrap()));
    assert!((32 << 10..=64 << 10).contains(&socket.send_buffer_size().unwrap()));
}

#[cfg(target_os = "linux")]
#[test]
fn options_that_only_linux_has_are_on_the_socket() {
    let (listener, good) = listener();
    let options = ConnectionOptions {
        local_address: Some(Ipv4Addr::new(127, 0, 0, 2).into()),
        quick_ack: Some(false),
        ..options()
    };
    let socket = connect_any("test", vec![good], &options, &mut deadline(LONG)).unwrap();
    let (mut peer, from) = listener.accept().unwrap();
    assert_eq!(from.ip(), Ipv4Addr::new(127, 0, 0, 2));
    let mut transport = Transport::plain(socket, &options);
    // As the kernel does by itself.
    transport.socket().set_tcp_quickack(true).unwrap();
    peer.write_all(b"x").unwrap();
    until_readable(&transport);
    transport.begin_turn();
    assert_eq!(transport.read(&mut [0; 16]).unwrap(), 1);
    assert!(!transport.socket().tcp_quickack().unwrap(), "not renewed after a read");
}

#[cfg(target_os = "linux")]
#[test]
fn busy_poll_is_on_the_socket_or_refused_by_its_name() {
    let (_listener, good) = listener();
    let options = ConnectionOptions { busy_poll: Some(50), ..options() };
    match connect_any("test", vec![good], &options, &mut deadline(LONG)) {
        Ok(socket) => assert_eq!(socket.busy_poll().unwrap(), 50),
        // Raising it may need CAP_NET_ADMIN.
        Err(error) => assert!(error.to_string().contains("setting busyPoll"), "{error}"),
    }
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
