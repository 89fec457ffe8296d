#![allow(clippy::unwrap_used)]

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use super::{connect_any, dial, interleaved};
use crate::{
    error::{Error, ErrorCode},
    options::{ConnectionOptions, MAX_KEEP_ALIVE, NonBlockingOptions},
    transport::{
        Canceller, Deadline, Transport,
        tests::{LONG, deadline, listener, options, until_readable},
    },
};

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
    let order = interleaved(vec![v6(1), v6(2), good, v6(1), v6(3)]);
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

#[test]
fn the_longest_keep_alive_that_is_accepted_is_taken_by_the_kernel() {
    let (_listener, good) = listener();
    let accepted = NonBlockingOptions::new().keep_alive(Some(MAX_KEEP_ALIVE)).unwrap();
    let socket = connect_any("test", vec![good], &accepted.connection, &mut deadline(LONG)).unwrap();
    assert!(socket.keepalive().unwrap());
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
