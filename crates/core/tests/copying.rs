//! Handlers and sinks that copy messages from where they were read: they see what others see, in the same
//! order, whichever messages they leave to be given to them.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;
#[allow(dead_code)]
mod server;

use std::{sync::mpsc, time::Instant};

use bytes::Bytes;
use proptest::prelude::*;
use s9_websocket_core::*;
use script::{BINARY, CONTINUATION, PING, TEXT, close_frame, frame, frames_up_to_close, line, raw_frame};
use server::*;

fn message(kind: MessageKind, payload: &[u8]) -> WebSocketEvent {
    WebSocketEvent::message(kind, Bytes::copy_from_slice(payload))
}

/// Copies messages but for some, and has room for a few events a turn.
struct Copier {
    lines: Vec<String>,
    copied: usize,
    given: usize,
    /// Every so many messages one is left.
    leaves: usize,
    /// How many events there is room for in a turn.
    room: usize,
    left_in_turn: usize,
}

impl S9WebSocketClientHandler<Session> for Copier {
    fn on_poll(&mut self, _: &mut Session) {
        self.left_in_turn = self.room;
    }

    fn on_event(&mut self, _: &mut Session, event: WebSocketEvent) {
        let is_message = matches!(event, WebSocketEvent::TextMessage(_) | WebSocketEvent::BinaryMessage(_));
        self.given += usize::from(is_message);
        self.left_in_turn = self.left_in_turn.saturating_sub(1);
        self.lines.push(line(&event));
    }

    fn copies_messages(&self) -> bool {
        true
    }

    fn copy_message(&mut self, kind: MessageKind, payload: &[u8], at: Instant) -> bool {
        assert!(at <= Instant::now());
        assert!(kind == MessageKind::Binary || str::from_utf8(payload).is_ok(), "{payload:?} is no text");
        if self.left_in_turn == 0 || (self.copied + self.given).is_multiple_of(self.leaves) {
            return false;
        }
        self.left_in_turn -= 1;
        self.copied += 1;
        self.lines.push(line(&message(kind, payload)));
        true
    }

    fn has_room(&mut self) -> bool {
        self.left_in_turn > 0
    }

    fn acts_later(&self) -> bool {
        true
    }
}

/// What a handler sees of `bytes` that leaves one of so many messages.
fn copied(bytes: Vec<u8>, leaves: usize, room: usize) -> Copier {
    let server = serve_raw(bytes, |mut tcp| frames_up_to_close(&mut tcp));
    let options = NonBlockingOptions::new();
    let mut session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    let mut copier = Copier { lines: Vec::new(), copied: 0, given: 0, leaves, room, left_in_turn: room };
    run(&mut session, &mut copier);
    copier
}

/// A sink that copies messages of fewer bytes than this.
struct Small {
    limit: usize,
    lines: mpsc::Sender<(bool, String)>,
}

impl EventSink for Small {
    fn put(&mut self, event: WebSocketEvent, _: Instant) {
        let _ = self.lines.send((false, line(&event)));
    }

    fn copies_messages(&self) -> bool {
        true
    }

    fn copy_message(&mut self, kind: MessageKind, payload: &[u8], _: Instant) -> bool {
        let is_copied = payload.len() < self.limit;
        if is_copied {
            let _ = self.lines.send((true, line(&message(kind, payload))));
        }
        is_copied
    }
}

/// What a thread brings to a sink that copies, and which of it was copied.
fn copied_on_a_thread(bytes: Vec<u8>, limit: usize) -> Vec<(bool, String)> {
    let server = serve_raw(bytes, |mut tcp| frames_up_to_close(&mut tcp));
    let options = NonBlockingOptions::new();
    let session = Session::connect_non_blocking(&server.url, &[], options, &Canceller::new()).unwrap();
    let (lines, received) = mpsc::channel();
    let mut client = ThreadedSession::new(session, Small { limit, lines });
    client.run().unwrap();
    received.into_iter().collect()
}

/// Frames, and what a client is to tell of them.
fn frames() -> impl Strategy<Value = Vec<(Vec<u8>, Option<String>)>> {
    let text = "[a-z]{0,130}|[a-zäß€😀]{0,40}"
        .prop_map(|text: String| (frame(TEXT, &text), Some(line(&WebSocketEvent::TextMessage(text.into())))));
    let size = prop_oneof![0..130_usize, Just(65_535), Just(65_536), 66_000..70_000_usize, 0..20_000_usize];
    let binary = (size, 0..26_usize).prop_map(|(size, first)| {
        let data: Vec<_> = (0..size).map(|at| b'a' + ((first + at * 7 + at / 251) % 26) as u8).collect();
        (frame(BINARY, &data), Some(line(&WebSocketEvent::BinaryMessage(data.into()))))
    });
    let in_two = "[a-z]{0,40}".prop_map(|text: String| {
        let (first, second) = text.split_at(text.len() / 2);
        let frames = [raw_frame(TEXT, first), frame(CONTINUATION, second)].concat();
        (frames, Some(line(&WebSocketEvent::TextMessage(text.into()))))
    });
    let ping = Just((frame(PING, "p"), Some(line(&WebSocketEvent::Ping("p".into())))));
    proptest::collection::vec(prop_oneof![6 => text, 3 => binary, 1 => in_two, 1 => ping], 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn who_copies_sees_what_was_sent(frames in frames(), leaves in 1..9_usize, room in 1..50_usize, limit in 0..300_usize) {
        let (bytes, told): (Vec<_>, Vec<_>) = frames.into_iter().unzip();
        let bytes = [bytes.concat(), close_frame(1000, "")].concat();
        let mut expected = vec!["activated".to_owned()];
        expected.extend(told.into_iter().flatten());
        expected.extend(["closed 1000 ".to_owned(), "quit".to_owned()]);
        let copier = copied(bytes.clone(), leaves, room);
        prop_assert_eq!(&copier.lines, &expected);
        let on_a_thread: Vec<_> = copied_on_a_thread(bytes, limit).into_iter().map(|(_, line)| line).collect();
        prop_assert_eq!(&on_a_thread, &expected);
    }
}

#[test]
fn all_that_a_read_brings_but_its_first_message_is_copied() {
    const MESSAGES: usize = 1_000;
    // Some 5 reads.
    let bytes = [frame(TEXT, "x".repeat(300)).repeat(MESSAGES), close_frame(1000, "")].concat();
    let copier = copied(bytes.clone(), usize::MAX, usize::MAX);
    assert_eq!(copier.copied + copier.given, MESSAGES);
    assert!(copier.copied > MESSAGES * 9 / 10, "{} of {MESSAGES}", copier.copied);
    let on_a_thread = copied_on_a_thread(bytes, usize::MAX);
    assert!(on_a_thread.iter().filter(|(is_copied, _)| *is_copied).count() > MESSAGES * 9 / 10);
}

#[test]
fn text_that_is_none_is_not_offered() {
    let bytes = [frame(TEXT, "good"), frame(TEXT, "good too"), frame(TEXT, [b'b', 0xff])].concat();
    let copier = copied(bytes, usize::MAX, usize::MAX);
    assert_eq!(
        copier.lines,
        ["activated", "text good", "text good too", "error ERR_S9_INVALID_UTF8", "quit"]
    );
}
