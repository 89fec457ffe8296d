//! What only the client with a thread and channels promises, and the callback clients' own callbacks.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod server;

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use s9_websocket_core::*;
use server::*;

/// Far below the sleep that a command must end, far above what a loaded machine takes.
const SOON: Duration = Duration::from_secs(10);

fn sleepy() -> NonBlockingOptions {
    NonBlockingOptions::new().spin_wait_duration(Some(6 * SOON)).unwrap()
}

fn connect(url: &str, options: NonBlockingOptions) -> S9AsyncNonBlockingWebSocketClient {
    S9AsyncNonBlockingWebSocketClient::connect(url, options).unwrap()
}

fn next(client: &S9AsyncNonBlockingWebSocketClient) -> WebSocketEvent {
    client.event_rx.recv_timeout(LONG).expect("an event").event
}

fn next_text(client: &S9AsyncNonBlockingWebSocketClient) -> String {
    match next(client) {
        WebSocketEvent::TextMessage(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn send(client: &S9AsyncNonBlockingWebSocketClient, text: impl Into<String>) {
    client.control_tx.send(ControlMessage::SendText(text.into())).unwrap();
}

/// Receives the events up to the end, and fails where the channel stays open without any.
fn to_the_end(client: &S9AsyncNonBlockingWebSocketClient) -> Vec<WebSocketEvent> {
    let mut events = Vec::new();
    loop {
        match client.event_rx.recv_timeout(LONG) {
            Ok(received) => events.push(received.event),
            Err(error) if error.is_disconnected() => return events,
            Err(error) => panic!("{error}, after {events:?}"),
        }
    }
}

#[test]
fn a_command_ends_the_threads_sleep() {
    let server = serve(false, Peer::echo);
    let mut client = connect(&server.url, sleepy());
    let thread = client.run().unwrap();
    let start = Instant::now();
    assert!(matches!(next(&client), WebSocketEvent::Activated));
    for number in 0..20 {
        send(&client, number.to_string());
        // The answer lets the thread go to sleep again.
        assert_eq!(next_text(&client), number.to_string());
    }
    client.control_tx.send(ControlMessage::Close(None)).unwrap();
    assert!(matches!(to_the_end(&client).last(), Some(WebSocketEvent::Quit)));
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    thread.join().unwrap();
    server.join();
}

#[test]
fn a_cork_sends_many_messages_in_one_write() {
    let (count, text) = (200, "x".repeat(100));
    let server = serve(false, |mut peer| {
        let mut chunk = vec![0; 64 << 10];
        std::io::Read::read(&mut peer.tcp, &mut chunk).unwrap()
    });
    let mut client = connect(&server.url, sleepy().nodelay(true));
    client.run().unwrap();
    assert!(matches!(next(&client), WebSocketEvent::Activated));
    client.control_tx.cork(|control| {
        for _ in 0..count {
            control.send(ControlMessage::SendText(text.clone())).unwrap();
        }
        assert!(control.buffered_amount() >= count * text.len());
    });
    assert_eq!(server.join(), count * (6 + text.len()));
}

#[test]
fn a_forced_end_does_not_wait_for_the_end_of_a_cork() {
    let server = serve(false, Peer::read_to_end);
    let mut client = connect(&server.url, sleepy());
    let thread = client.run().unwrap();
    client.control_tx.set_corked(true);
    send(&client, "corked");
    client.control_tx.send(ControlMessage::ForceQuit).unwrap();
    thread.join().unwrap();
    assert_eq!(server.join(), ["text corked", "end without close"]);
}

#[test]
fn commands_from_many_threads_are_all_carried_out() {
    let server = serve(false, Peer::read_to_end);
    let mut client = connect(&server.url, sleepy());
    let thread = client.run().unwrap();
    let senders: Vec<_> = (0..4)
        .map(|id| {
            let control = client.control_tx.clone();
            std::thread::spawn(move || {
                for number in 0..250 {
                    control.send(ControlMessage::SendText(format!("{id} {number}"))).unwrap();
                }
            })
        })
        .collect();
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    client.control_tx.send(ControlMessage::Close(None)).unwrap();
    let lines = server.join();
    for id in 0..4 {
        let own: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix(&format!("text {id} "))).collect();
        let expected: Vec<_> = (0..250).map(|number| number.to_string()).collect();
        assert_eq!(own, expected, "each thread's messages keep their order");
    }
    assert_eq!(lines.len(), 1000 + 2);
    thread.join().unwrap();
}

#[test]
fn events_carry_the_time_of_their_arrival() {
    let before = Instant::now();
    let server = serve(false, |mut peer| {
        peer.text("x");
        peer.close(1000, "")
    });
    let mut client = connect(&server.url, sleepy());
    client.run().unwrap();
    assert!(matches!(next(&client), WebSocketEvent::Activated));
    let received = client.event_rx.recv_timeout(LONG).unwrap();
    assert!(matches!(received.event, WebSocketEvent::TextMessage(_)));
    assert!(received.at >= before && received.at <= Instant::now());
    to_the_end(&client);
    server.join();
}

#[cfg(target_os = "linux")]
#[test]
fn cpu_affinity_pins_the_thread() {
    let server = serve(false, Peer::read_to_end);
    let mut client = connect(&server.url, sleepy().cpu_affinity(Some(0)).unwrap());
    client.run().unwrap();
    assert!(matches!(next(&client), WebSocketEvent::Activated));
    let is_pinned = std::fs::read_dir("/proc/self/task").unwrap().flatten().any(|thread| {
        // Threads of other tests may end meanwhile.
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        status.contains("\nCpus_allowed_list:\t0\n") && status.starts_with("Name:\ts9-websocket\n")
    });
    assert!(is_pinned);
    drop(client);
    server.join();
}

#[test]
fn a_full_event_channel_holds_the_server_up_and_loses_nothing() {
    const COUNT: u32 = 1500;
    for options in [sleepy(), NonBlockingOptions::new()] {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let server = serve(false, move |mut peer| {
            socket2::SockRef::from(&peer.tcp).set_send_buffer_size(16 << 10).unwrap();
            let mut held_up = false;
            peer.tcp.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
            for number in 0..COUNT {
                let mut data = vec![number as u8; 16 << 10];
                data[..4].copy_from_slice(&number.to_be_bytes());
                let mut result = peer.ws.send(tungstenite::Message::binary(data));
                while let Err(tungstenite::Error::Io(error)) = result {
                    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                    held_up = true;
                    count.store(number as usize, Ordering::SeqCst);
                    result = peer.ws.flush();
                }
                result.unwrap();
            }
            peer.tcp.set_write_timeout(Some(LONG)).unwrap();
            (held_up, peer.close(1000, ""))
        });
        let options = options.event_capacity(8).unwrap().receive_buffer_size(Some(16 << 10)).unwrap();
        let mut client = connect(&server.url, options);
        let thread = client.run().unwrap();
        // Takes nothing before the server has been held up.
        let start = Instant::now();
        while sent.load(Ordering::SeqCst) == 0 {
            assert!(start.elapsed() < LONG, "the server was never held up");
            std::thread::yield_now();
        }
        assert!(client.event_rx.len() <= 8, "{} events wait", client.event_rx.len());
        // Commands are carried out all the same, and what is unsent goes out.
        send(&client, "while full");
        let mut expected = 0_u32;
        for event in to_the_end(&client) {
            if let WebSocketEvent::BinaryMessage(data) = event {
                assert_eq!(data[..4], expected.to_be_bytes());
                expected += 1;
            }
        }
        assert_eq!(expected, COUNT);
        let (held_up, end) = server.join();
        assert!(held_up);
        assert_eq!(end, ["text while full", "close 1000 ", "end after close"]);
        thread.join().unwrap();
    }
}

#[test]
fn an_event_channel_is_full_by_bytes_too() {
    const SIZE: usize = 10_000;
    let (full, wait) = mpsc::channel::<()>();
    let server = serve(false, move |peer| {
        let (mut ours, beginning) =
            (peer.tcp.try_clone().unwrap(), [0x82, 0x7e, (SIZE >> 8) as u8, SIZE as u8]);
        // Past tungstenite, whose writes would wait: what the kernel takes is what the client is to read.
        for number in 0..10_u8 {
            ours.write_all(&beginning).unwrap();
            ours.write_all(&[number; SIZE]).unwrap();
        }
        wait.recv_timeout(LONG).unwrap();
        peer.close(1000, "")
    });
    let options = sleepy().event_capacity_bytes(2 * SIZE + 1).unwrap();
    let mut client = connect(&server.url, options);
    let thread = client.run().unwrap();
    // Activated, and messages until there is no room: the third begins below the bound.
    let start = Instant::now();
    while client.event_rx.len() < 4 {
        assert!(start.elapsed() < LONG, "the bound is too low");
        std::thread::yield_now();
    }
    // An answer to this one would pass through the same turns in which more was read.
    send(&client, "a turn");
    while client.buffered_amount() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(client.event_rx.len(), 4);
    full.send(()).unwrap();
    let numbers: Vec<_> = to_the_end(&client)
        .into_iter()
        .filter_map(
            |event| if let WebSocketEvent::BinaryMessage(data) = event { Some(data[0]) } else { None },
        )
        .collect();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert_eq!(server.join(), ["text a turn", "close 1000 ", "end after close"]);
    thread.join().unwrap();
}

#[test]
fn what_is_unsent_goes_out_while_the_event_channel_is_full() {
    const COUNT: usize = 40;
    let (full, wait) = mpsc::channel::<()>();
    let server = serve_with_buffer(false, Some(8 << 10), move |mut peer| {
        peer.text("fills the channel");
        wait.recv_timeout(LONG).unwrap();
        (0..COUNT).map(|_| peer.read().len()).sum::<usize>()
    });
    let options = sleepy().event_capacity(1).unwrap().send_buffer_size(Some(8 << 10)).unwrap();
    let mut client = connect(&server.url, options);
    client.run().unwrap();
    for _ in 0..COUNT {
        client.control_tx.send(ControlMessage::SendBinary(vec![0; 64 << 10].into())).unwrap();
    }
    full.send(()).unwrap();
    // No event is taken meanwhile.
    assert_eq!(server.join(), COUNT * (64 << 10));
}

#[test]
fn a_closing_handshake_has_its_deadline_while_the_event_channel_is_full() {
    let (done, wait) = mpsc::channel::<()>();
    let server = serve(false, move |mut peer| {
        for _ in 0..10 {
            peer.text("unread");
        }
        let _ = wait.recv_timeout(LONG);
        peer.read_to_end()
    });
    let options = sleepy().event_capacity(1).unwrap().close_timeout(Duration::from_millis(100)).unwrap();
    let mut client = connect(&server.url, options);
    let thread = client.run().unwrap();
    client.control_tx.send(ControlMessage::Close(None)).unwrap();
    let (ended, end) = mpsc::channel();
    client.event_signal().at_end(move || ended.send(()).unwrap());
    end.recv_timeout(SOON).expect("the thread ends though nobody takes its events");
    thread.join().unwrap();
    assert!(matches!(to_the_end(&client).last(), Some(WebSocketEvent::Quit)));
    drop(done);
    assert_eq!(server.join()[0], "close 1000 ");
}

#[test]
fn a_second_run_is_refused() {
    let server = serve(false, Peer::read_to_end);
    let mut client = connect(&server.url, sleepy());
    assert!(client.socket().is_some());
    client.run().unwrap();
    assert_eq!(client.run().unwrap_err().code(), ErrorCode::SocketUnavailable);
    assert!(client.socket().is_none());
    drop(client);
    server.join();
}

#[test]
fn dropping_the_client_closes_with_1000_and_ends_the_thread() {
    let server = serve(false, Peer::read_to_end);
    let mut client = connect(&server.url, sleepy());
    let thread = client.run().unwrap();
    let (ended, end) = mpsc::channel();
    client.event_signal().at_end(move || ended.send(()).unwrap());
    drop(client);
    end.recv_timeout(SOON).expect("the thread ends");
    thread.join().unwrap();
    assert_eq!(server.join(), ["close 1000 ", "end after close"]);
}

#[test]
fn dropping_a_client_that_never_ran_closes_with_1000() {
    let server = serve(false, Peer::read_to_end);
    let client = connect(&server.url, sleepy());
    let events = client.event_rx.clone();
    drop(client);
    assert_eq!(server.join(), ["close 1000 ", "end after close"]);
    assert!(events.recv_timeout(LONG).unwrap_err().is_disconnected());
}

#[test]
fn commands_given_before_run_are_carried_out() {
    let server = serve(false, Peer::read_to_end);
    let mut client = connect(&server.url, sleepy());
    send(&client, "early");
    client.control_tx.send(ControlMessage::Close(None)).unwrap();
    client.run().unwrap().join().unwrap();
    assert_eq!(server.join(), ["text early", "close 1000 ", "end after close"]);
}

#[test]
fn what_was_not_sent_before_there_was_a_thread_counts_as_unsent() {
    let (go, wait) = mpsc::channel::<()>();
    let server = serve_with_buffer(false, Some(4 << 10), move |peer| {
        let _ = wait.recv_timeout(LONG);
        peer.read_to_end().len()
    });
    let options = sleepy().send_buffer_size(Some(4 << 10)).unwrap();
    let mut session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    while session.send_binary_message(vec![7; 64 << 10]).unwrap() == Sent::Flushed {}
    let client = S9AsyncNonBlockingWebSocketClient::from(session);
    assert!(client.buffered_amount() > 0);
    drop((client, go));
    server.join();
}

#[test]
fn commands_after_the_end_are_refused() {
    let server = serve(false, |peer| peer.close(1000, ""));
    let mut client = connect(&server.url, sleepy());
    client.run().unwrap();
    assert_eq!(to_the_end(&client).len(), 3);
    let error = client.control_tx.send(ControlMessage::SendText("late".into())).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConnectionClosed);
    client.control_tx.send(ControlMessage::Close(None)).unwrap();
    client.control_tx.send(ControlMessage::ForceQuit).unwrap();
    assert_eq!(client.buffered_amount(), 0);
    server.join();
}

#[test]
fn what_must_not_be_sent_is_refused_by_the_sender() {
    let server = serve(false, Peer::read_to_end);
    let mut client = connect(&server.url, sleepy().max_buffered_amount(10).unwrap());
    let code = |message| client.control_tx.send(message).unwrap_err().code();
    assert_eq!(code(ControlMessage::SendPing(vec![0; 126].into())), ErrorCode::InvalidConfiguration);
    assert_eq!(code(ControlMessage::SendPong(vec![0; 126].into())), ErrorCode::InvalidConfiguration);
    let frame = CloseFrame::new(1005, "");
    assert_eq!(code(ControlMessage::Close(Some(frame))), ErrorCode::InvalidConfiguration);
    assert_eq!(code(ControlMessage::SendText("over ten bytes".into())), ErrorCode::WriteBufferFull);
    send(&client, "0123456789");
    assert_eq!(client.buffered_amount(), 6 + 10, "a frame's bytes");
    assert_eq!(code(ControlMessage::SendText("x".into())), ErrorCode::WriteBufferFull);
    client.control_tx.send(ControlMessage::Close(None)).unwrap();
    client.run().unwrap().join().unwrap();
    assert_eq!(server.join(), ["text 0123456789", "close 1000 ", "end after close"]);
}

#[test]
fn empty_messages_that_wait_are_bounded_too() {
    let server = serve(false, Peer::read_to_end);
    let mut client = connect(&server.url, sleepy().max_buffered_amount(60).unwrap());
    let accepted = (0..100).take_while(|_| client.control_tx.send_binary(b"").is_ok()).count();
    assert_eq!(
        accepted, 11,
        "as with a client on the caller's thread, of which 60 bytes are not over the bound"
    );
    client.control_tx.send(ControlMessage::Close(None)).unwrap();
    client.run().unwrap().join().unwrap();
    assert_eq!(client.buffered_amount(), 0);
    let received = server.join();
    assert_eq!(received.len(), accepted + 2, "{received:?}");
}

#[test]
fn a_command_that_wakes_nobody_is_seen_when_a_wait_ends() {
    for asked_before in [true, false] {
        let server = serve(false, Peer::read_to_end);
        let wait = Duration::from_millis(10);
        let mut client =
            connect(&server.url, NonBlockingOptions::new().spin_wait_duration(Some(wait)).unwrap());
        let control = client.control_tx.clone();
        let channel = asked_before.then(|| control.channel());
        client.run().unwrap();
        assert!(matches!(next(&client), WebSocketEvent::Activated));
        assert!(client.event_rx.recv_timeout(5 * wait).is_err(), "by now it sleeps");
        let channel = channel.unwrap_or_else(|| control.channel());
        channel.send(ControlMessage::Close(None)).unwrap();
        assert!(matches!(next(&client), WebSocketEvent::ConnectionClosed(_)));
        server.join();
    }
}

#[test]
fn an_armed_signal_calls_its_listeners_once() {
    let server = serve(false, Peer::echo);
    let mut client = connect(&server.url, sleepy());
    let signal = client.event_signal();
    let (called, calls) = mpsc::channel();
    let listener = signal.listen(move || called.send(()).unwrap());
    client.run().unwrap();
    assert!(matches!(next(&client), WebSocketEvent::Activated));
    signal.arm();
    send(&client, "one");
    calls.recv_timeout(SOON).expect("the listener is called");
    assert_eq!(next_text(&client), "one");
    send(&client, "two");
    assert_eq!(next_text(&client), "two");
    assert!(calls.try_recv().is_err(), "called without having been armed");
    drop(listener);
    signal.arm();
    send(&client, "three");
    assert_eq!(next_text(&client), "three");
    assert!(calls.recv_timeout(Duration::ZERO).unwrap_err() == mpsc::RecvTimeoutError::Disconnected);
    drop(client);
    server.join();
}

#[test]
fn at_end_is_called_after_the_end_and_at_once_where_the_end_has_been() {
    let server = serve(false, |peer| peer.close(1000, ""));
    let mut client = connect(&server.url, sleepy());
    let (ended, end) = mpsc::channel();
    let first = ended.clone();
    client.event_signal().at_end(move || first.send("first").unwrap());
    let thread = client.run().unwrap();
    assert_eq!(end.recv_timeout(SOON).unwrap(), "first");
    thread.join().unwrap();
    assert_eq!(to_the_end(&client).len(), 3);
    client.event_signal().at_end(move || ended.send("second").unwrap());
    assert_eq!(end.try_recv().unwrap(), "second");
    server.join();
}

#[test]
fn what_is_accepted_while_the_peer_closes_is_sent() {
    const AT_LEAST: usize = 200;
    for round in 0..20 {
        let server = serve(false, |mut peer| {
            (0..AT_LEAST).for_each(|_| drop(peer.read()));
            peer.ws.close(None).unwrap();
            let mut count = AT_LEAST;
            loop {
                match peer.ws.read() {
                    Ok(tungstenite::Message::Text(_)) => count += 1,
                    Ok(_) => {}
                    Err(error) => return (count, matches!(error, tungstenite::Error::ConnectionClosed)),
                }
            }
        });
        let options = if round % 2 == 0 { NonBlockingOptions::new() } else { sleepy() };
        let options = options.max_buffered_amount(64 << 10).unwrap();
        let mut client = connect(&server.url, options);
        let thread = client.run().unwrap();
        let mut accepted = 0;
        loop {
            match client.control_tx.send_text("is it sent?") {
                Ok(()) => accepted += 1,
                Err(error) if error.code() == ErrorCode::WriteBufferFull => std::thread::yield_now(),
                Err(error) => break assert_eq!(error.code(), ErrorCode::ConnectionClosed),
            }
        }
        assert_eq!(server.join(), (accepted, true), "round {round}");
        to_the_end(&client);
        thread.join().unwrap();
        assert_eq!(client.buffered_amount(), 0);
    }
}
