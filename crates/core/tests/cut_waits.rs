//! Waits and blocking writes that are cut short, for a caller that has to look after something else, as the addon
//! has, or for what is there to be read.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod server;

use std::{
    io::{Read, Write},
    sync::mpsc,
    time::{Duration, Instant},
};

use s9_websocket_core::*;
use server::*;

const SLICE: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Log(Vec<String>);

impl S9WebSocketClientHandler<Session> for Log {
    fn on_event(&mut self, session: &mut Session, event: WebSocketEvent) {
        if matches!(event, WebSocketEvent::TextMessage(_)) {
            session.force_quit();
        }
        self.0.push(format!("{event:?}"));
    }
}

/// A server that says nothing, whatever it is sent, until it is told that the test is over.
fn silent() -> (Server<()>, mpsc::Sender<()>) {
    let (done, wait) = mpsc::channel::<()>();
    let server = serve(false, move |_peer| {
        let _ = wait.recv_timeout(LONG);
    });
    (server, done)
}

/// Turns and waits until a turn has come to `end`; how many waits were cut.
fn run_until(session: &mut Session, end: Turn) -> usize {
    let (mut log, mut cut) = (Log::default(), 0);
    loop {
        let came_to = turn(session, &mut log);
        if came_to == end {
            return cut;
        }
        if came_to != Turn::Idle {
            continue;
        }
        while !session.wait() {
            cut += 1;
            assert!(cut < 10_000, "waits without waiting");
        }
    }
}

#[test]
fn a_blocking_session_waits_in_its_reads_and_nowhere_else() {
    let (server, done) = silent();
    let options = BlockingOptions::new().read_timeout(Some(4 * SLICE)).unwrap();
    let mut session = Session::connect_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    session.set_longest_wait(Some(SLICE));
    assert!(session.set_blocking().unwrap());
    run_until(&mut session, Turn::Idle);
    assert!(session.wait());
    drop(done);
    server.join();
}

#[test]
fn the_closing_handshakes_deadline_ends_a_wait_that_is_cut() {
    let (server, done) = silent();
    let options = NonBlockingOptions::new().spin_wait_duration(Some(LONG)).unwrap();
    let options = options.close_timeout(10 * SLICE).unwrap();
    let mut session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    session.set_longest_wait(Some(SLICE));
    session.close(None).unwrap();
    let start = Instant::now();
    run_until(&mut session, Turn::Ended);
    assert!(start.elapsed() < LONG / 3, "{:?}", start.elapsed());
    drop(done);
    server.join();
}

#[test]
fn the_end_of_a_cork_blocks_as_a_send_does() {
    for cut in [false, true] {
        let (go, gone) = mpsc::channel::<()>();
        let server = serve_with_buffer(false, Some(8 << 10), move |mut peer| {
            let _ = gone.recv();
            peer.read().len()
        });
        // A write of the loop's own may take no longer than this.
        let options = BlockingOptions::new().close_timeout(Duration::from_millis(1)).unwrap();
        let options = options.send_buffer_size(Some(8 << 10)).unwrap();
        let mut session = Session::connect_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
        session.set_longest_wait(cut.then_some(SLICE));
        session.set_blocking().unwrap();
        let go = cut.then_some(go);
        session.cork(|session| session.send_binary_message(vec![7; 8 << 20]).unwrap());
        assert_eq!(session.keep_writing(), cut);
        drop(go);
        while session.keep_writing() {}
        assert_eq!(session.buffered_amount(), 0);
        assert_eq!(server.join(), 8 << 20);
    }
}

#[test]
fn a_close_frame_behind_full_buffers_goes_out_though_no_loop_runs() {
    // Whether the frame finds room by itself depends on what the kernel has just made of the message.
    for round in 0..12 {
        let server = serve_with_buffer(false, Some(8 << 10), |peer| {
            let (mut received, mut chunk) = (Vec::new(), [0; 4 << 10]);
            let (_nobody, pause) = mpsc::channel::<()>();
            loop {
                match (&peer.tcp).read(&mut chunk) {
                    Ok(0) | Err(_) => return received,
                    Ok(count) => received.extend_from_slice(&chunk[..count]),
                }
                if received.len() > 150_000 {
                    let _ = pause.recv_timeout(3 * SLICE);
                }
            }
        });
        let options = BlockingOptions::new().send_buffer_size(Some(8 << 10)).unwrap();
        let mut client = S9BlockingWebSocketClient::connect(&server.url, options).unwrap();
        assert_eq!(client.send_binary_message(vec![0; 200_000 + round * 777]).unwrap(), Sent::Flushed);
        client.close(None).unwrap();
        drop(client);
        let received = server.join();
        let end = received.last_chunk::<8>().map(|end| [end[0], end[1]]);
        assert_eq!(end, Some([0x88, 0x82]), "round {round}: a Close frame with a code");
    }
}

#[test]
fn pongs_that_a_peer_does_not_read_do_not_hold_up_its_messages() {
    let (done, wait) = mpsc::channel::<()>();
    let server = serve_with_buffer(false, Some(8 << 10), move |mut peer| {
        let pings = [&[0x89, 125][..], &[7; 125]].concat().repeat(900);
        peer.tcp.write_all(&pings).unwrap();
        peer.text("behind them");
        let _ = wait.recv_timeout(LONG);
    });
    let options = BlockingOptions::new().close_timeout(LONG / 3).unwrap();
    let options = options.send_buffer_size(Some(8 << 10)).unwrap();
    let mut session = Session::connect_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    session.set_blocking().unwrap();
    let start = Instant::now();
    let mut log = Log::default();
    run(&mut session, &mut log);
    assert_eq!(log.0.len(), 903);
    assert!(start.elapsed() < LONG / 6, "{:?}", start.elapsed());
    drop(done);
    server.join();
}
