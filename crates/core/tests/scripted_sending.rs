//! What becomes of messages that are sent, on a scripted stream that takes them bit by bit.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
mod script;

use std::time::Instant;

use bytes::Bytes;
use proptest::prelude::*;
use s9_websocket_core::{CloseFrame, Connection, ErrorCode, Limits, Sent};
use script::*;

/// Steps until nothing is left to be sent, the stream taking `room` bytes a step.
fn flush(connection: &mut Connection<Script>, room: usize) {
    for _ in 0..100_000 {
        connection.stream_mut().room = room;
        events(connection, Instant::now(), 9);
        if connection.buffered_amount() == 0 {
            return;
        }
    }
    panic!("{} bytes are never sent", connection.buffered_amount());
}

#[test]
fn every_kind_of_message_is_one_masked_frame_written_at_once() {
    let mut connection = open([]);
    assert_eq!(connection.send_text("té").unwrap(), Sent::Flushed);
    assert_eq!(connection.stream().frames(), [Frame::new(TEXT, "té")]);
    assert_eq!(connection.send_binary(Bytes::from(vec![7; 70_000])).unwrap(), Sent::Flushed);
    connection.send_ping(Bytes::from_static(b"i")).unwrap();
    connection.send_pong(Bytes::from_static(b"o")).unwrap();
    let expected = [
        Frame::new(TEXT, "té"),
        Frame::new(BINARY, vec![7; 70_000]),
        Frame::new(PING, "i"),
        Frame::new(PONG, "o"),
    ];
    assert_eq!(connection.stream().frames(), expected);
    assert_eq!(connection.stream().writes, 4);
    assert_eq!(connection.buffered_amount(), 0);
}

#[test]
fn masks_differ_from_frame_to_frame() {
    let mut connection = open([]);
    for _ in 0..8 {
        connection.send_text("").unwrap();
    }
    let mut masks: Vec<_> = connection.stream().written.chunks(6).map(<[u8]>::to_vec).collect();
    masks.sort();
    masks.dedup();
    assert!(masks.len() > 6, "masks repeat: {masks:?}");
}

/// What can be seen of a cryptographic source from outside: no bit is biased, nothing is shared by
/// threads, nothing begins anew with a connection. The bounds are missed once in a million runs.
#[test]
fn masks_are_even_and_do_not_repeat_over_frames_connections_and_threads() {
    const FRAMES: usize = 1_000;
    const CONNECTIONS: usize = 10;
    let thread = || {
        let mut masks = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut connection = open([]);
            for _ in 0..FRAMES {
                connection.send_text("").unwrap();
            }
            let frames = connection.stream().written.chunks(6);
            masks.extend(frames.map(|frame| u32::from_be_bytes(frame[2..6].try_into().unwrap())));
        }
        masks
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(thread)).collect();
    let mut masks: Vec<u32> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    let count = masks.len();
    assert_eq!(count, 4 * CONNECTIONS * FRAMES);
    for bit in 0..32 {
        let set = masks.iter().filter(|mask| *mask >> bit & 1 == 1).count();
        // Six standard deviations.
        assert!(set.abs_diff(count / 2) < 600, "bit {bit} is set in {set} of {count}");
    }
    masks.sort_unstable();
    masks.dedup();
    // One pair in five runs is to be expected.
    assert!(count - masks.len() <= 5, "{} of {count} masks repeat", count - masks.len());
}

#[test]
fn messages_may_be_sent_before_the_first_step() {
    let mut connection = connection([]);
    connection.send_text("early").unwrap();
    assert_eq!(connection.stream().frames(), [Frame::new(TEXT, "early")]);
}

#[test]
fn what_would_block_is_queued_counted_and_sent_in_order() {
    let mut connection = open([]);
    connection.stream_mut().room = 5;
    assert_eq!(connection.send_text("first").unwrap(), Sent::Queued);
    assert!(connection.wants_write());
    let after_first = connection.buffered_amount();
    assert_eq!(after_first, 2 + 4 + 5 - 5);
    assert_eq!(connection.send_binary(Bytes::from_static(b"second")).unwrap(), Sent::Queued);
    assert_eq!(connection.send_text("third").unwrap(), Sent::Queued);
    assert_eq!(connection.buffered_amount(), after_first + (6 + 6) + (6 + 5), "bytes of frames");
    flush(&mut connection, 3);
    assert!(!connection.wants_write());
    let expected = [Frame::new(TEXT, "first"), Frame::new(BINARY, "second"), Frame::new(TEXT, "third")];
    assert_eq!(connection.stream().frames(), expected);
    assert_eq!(connection.send_text("fourth").unwrap(), Sent::Queued, "the stream's room is used up");
}

#[test]
fn a_step_with_nothing_to_send_does_not_write() {
    let mut connection = open([]);
    connection.send_text("x").unwrap();
    let writes = connection.stream().writes;
    for _ in 0..5 {
        events(&mut connection, Instant::now(), 9);
    }
    assert_eq!(connection.stream().writes, writes);
}

#[test]
fn a_message_over_the_bound_on_unsent_bytes_is_refused_whole() {
    let limits = Limits { max_buffered_amount: 20, ..Limits::default() };
    let mut connection = Connection::new(Script::new([]), Vec::new(), limits);
    connection.stream_mut().room = 1;
    connection.send_text("0123456789").unwrap();
    let buffered = connection.buffered_amount();
    let error = connection.send_text("abcdef").unwrap_err();
    assert_eq!(error.code(), ErrorCode::WriteBufferFull);
    assert!(error.to_string().contains("maxBufferedAmount (20)"), "{error}");
    assert_eq!(connection.buffered_amount(), buffered);
    connection.send_text("abcde").unwrap();
    flush(&mut connection, 7);
    let expected = [Frame::new(TEXT, "0123456789"), Frame::new(TEXT, "abcde")];
    assert_eq!(connection.stream().frames(), expected);
    connection.stream_mut().room = usize::MAX;
    connection.send_text("abcdef").unwrap();
    assert_eq!(connection.stream().frames().len(), 3);
}

#[test]
fn empty_messages_count_towards_the_bound_on_unsent_bytes() {
    let limits = Limits { max_buffered_amount: 60, ..Limits::default() };
    let mut connection = Connection::new(Script::new([]), Vec::new(), limits);
    connection.stream_mut().room = 0;
    let accepted = (0..100).take_while(|_| connection.send_ping(Bytes::new()).is_ok()).count();
    assert_eq!((accepted, connection.buffered_amount()), (11, 11 * 6), "60 bytes are not over the bound");
    flush(&mut connection, 99);
    assert_eq!((connection.stream().frames().len(), connection.buffered_amount()), (11, 0));
}

#[test]
fn a_cork_makes_one_write_of_many_messages() {
    let mut connection = open([]);
    connection.cork();
    for number in 0..10 {
        connection.send_text(&number.to_string()).unwrap();
    }
    assert_eq!(connection.stream().writes, 0);
    assert!(connection.buffered_amount() > 0);
    connection.uncork();
    assert_eq!(connection.stream().writes, 1);
    assert_eq!(connection.buffered_amount(), 0);
    let expected: Vec<_> = (0..10).map(|number| Frame::new(TEXT, number.to_string())).collect();
    assert_eq!(connection.stream().frames(), expected);
    connection.send_text("uncorked").unwrap();
    assert_eq!(connection.stream().writes, 2);
}

#[test]
fn a_cork_in_a_cork_keeps_back_until_both_are_gone() {
    let mut connection = open([]);
    connection.cork();
    connection.cork();
    connection.send_text("a").unwrap();
    connection.uncork();
    connection.send_text("b").unwrap();
    assert_eq!(connection.stream().writes, 0);
    connection.uncork();
    assert_eq!(connection.stream().writes, 1);
    assert_eq!(connection.stream().frames().len(), 2);
}

#[test]
fn a_cork_while_blocked_keeps_the_order() {
    let mut connection = open([]);
    connection.stream_mut().room = 2;
    connection.send_text("a").unwrap();
    connection.cork();
    connection.send_text("b").unwrap();
    connection.send_text("c").unwrap();
    connection.uncork();
    flush(&mut connection, 4);
    let sent: Vec<_> = connection.stream().frames().into_iter().map(|frame| frame.payload).collect();
    assert_eq!(sent, [b"a", b"b", b"c"]);
}

/// One message of which a part was taken, and one behind it.
fn with_two_under_way() -> Connection<Script> {
    let mut connection = open([]);
    connection.stream_mut().room = 2;
    connection.send_text("one").unwrap();
    connection.send_text("two").unwrap();
    connection
}

#[test]
fn messages_accepted_before_a_close_go_out_before_it() {
    let now = Instant::now();
    let mut connection = with_two_under_way();
    connection.close(Some(CloseFrame::new(1000, "end"))).unwrap();
    assert_eq!(connection.send_text("three").unwrap_err().code(), ErrorCode::ConnectionClosed);
    flush(&mut connection, 3);
    let expected = [Frame::new(TEXT, "one"), Frame::new(TEXT, "two"), Frame::close(1000, "end")];
    assert_eq!(connection.stream().frames(), expected);
    connection.stream_mut().push_bytes(close_frame(1000, "end"));
    connection.stream_mut().push(Input::End);
    assert_eq!(events_to_the_end(&mut connection, now, 9), ["closed 1000 end", "quit"]);
}

#[test]
fn messages_accepted_before_a_peers_close_go_out_before_the_answer() {
    let mut connection = with_two_under_way();
    connection.stream_mut().push_bytes(close_frame(1001, "bye"));
    assert!(events(&mut connection, Instant::now(), 9).is_empty());
    assert_eq!(connection.send_text("three").unwrap_err().code(), ErrorCode::ConnectionClosed);
    flush(&mut connection, 3);
    let expected = [Frame::new(TEXT, "one"), Frame::new(TEXT, "two"), Frame::close(1001, "bye")];
    assert_eq!(connection.stream().frames(), expected);
    connection.stream_mut().push(Input::End);
    assert_eq!(events_to_the_end(&mut connection, Instant::now(), 9), ["closed 1001 bye", "quit"]);
}

#[test]
fn a_peer_that_closes_while_a_close_is_queued_is_answered_once() {
    let mut connection = with_two_under_way();
    connection.close(Some(CloseFrame::new(1000, "ours"))).unwrap();
    connection.stream_mut().push_bytes(close_frame(1001, "theirs"));
    events(&mut connection, Instant::now(), 9);
    flush(&mut connection, 3);
    let expected = [Frame::new(TEXT, "one"), Frame::new(TEXT, "two"), Frame::close(1001, "theirs")];
    assert_eq!(connection.stream().frames(), expected);
    connection.stream_mut().push(Input::End);
    let log = events_to_the_end(&mut connection, Instant::now(), 9);
    assert_eq!(log, ["closed 1001 theirs", "quit"]);
}

#[test]
fn control_payloads_close_codes_and_reasons_are_checked_before_anything_is_sent() {
    let mut connection = open([]);
    let code = |result: Result<Sent, s9_websocket_core::Error>| result.unwrap_err().code();
    assert_eq!(code(connection.send_ping(vec![0; 126].into())), ErrorCode::InvalidConfiguration);
    assert_eq!(code(connection.send_pong(vec![0; 126].into())), ErrorCode::InvalidConfiguration);
    for refused in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, u16::MAX] {
        let error = connection.close(Some(CloseFrame::new(refused, ""))).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidConfiguration);
        assert!(error.to_string().contains(&refused.to_string()), "{error}");
    }
    let long = "é".repeat(62);
    assert!(connection.close(Some(CloseFrame::new(1000, long))).is_err(), "124 bytes of reason");
    assert!(connection.is_open());
    assert!(connection.stream().written.is_empty());

    connection.send_ping(vec![1; 125].into()).unwrap();
    connection.close(Some(CloseFrame::new(4999, "r".repeat(123)))).unwrap();
    let expected = [Frame::new(PING, vec![1; 125]), Frame::close(4999, &"r".repeat(123))];
    assert_eq!(connection.stream().frames(), expected);
}

#[test]
fn pings_are_answered_at_once_and_in_order() {
    let mut connection = open([Input::Bytes([frame(PING, "1"), frame(PING, "2"), frame(PING, "")].concat())]);
    assert_eq!(events(&mut connection, Instant::now(), 9), ["ping 1", "ping 2", "ping "]);
    let expected = [Frame::new(PONG, "1"), Frame::new(PONG, "2"), Frame::new(PONG, "")];
    assert_eq!(connection.stream().frames(), expected);
}

#[test]
fn pongs_overtake_queued_messages() {
    let mut connection = open([Input::Bytes(frame(PING, "now"))]);
    connection.stream_mut().room = 3;
    connection.send_text("half sent").unwrap();
    connection.send_text("queued").unwrap();
    assert_eq!(events(&mut connection, Instant::now(), 9), ["ping now"]);
    flush(&mut connection, 5);
    let expected = [Frame::new(TEXT, "half sent"), Frame::new(PONG, "now"), Frame::new(TEXT, "queued")];
    assert_eq!(connection.stream().frames(), expected);
}

#[test]
fn a_peer_that_does_not_read_its_pongs_is_read_no_further() {
    let pings = 3000;
    let mut connection = open([Input::Bytes(frame(PING, "p").repeat(pings))]);
    connection.stream_mut().room = 0;
    let now = Instant::now();
    let before = events(&mut connection, now, usize::MAX).len();
    assert!(before < 1100, "{before} pings were read");
    assert!(!connection.wants_read() && connection.wants_write());
    let buffered = connection.buffered_amount();
    let reads = connection.stream().reads;
    assert!(events(&mut connection, now, 9).is_empty());
    assert_eq!((connection.buffered_amount(), connection.stream().reads), (buffered, reads));
    connection.stream_mut().room = usize::MAX;
    let after = events(&mut connection, now, usize::MAX).len();
    assert_eq!(before + after, pings);
    assert_eq!(connection.stream().frames().len(), pings);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// However the stream takes bytes, every accepted message is sent once and in order, and the
    /// Close frame last.
    #[test]
    fn nothing_is_lost_or_doubled_under_partial_writes(
        sizes in prop::collection::vec(0..400_usize, 1..60),
        rooms in prop::collection::vec(0..700_usize, 1..40),
        pieces in prop::collection::vec(1..90_usize, 1..8),
        corked in any::<u64>(),
    ) {
        let limits = Limits { max_buffered_amount: 4000, ..Limits::default() };
        let mut connection = Connection::new(Script::new([]), Vec::new(), limits);
        connection.stream_mut().pieces = pieces;
        let mut expected = Vec::new();
        for (index, size) in sizes.iter().enumerate() {
            connection.stream_mut().room = rooms[index % rooms.len()];
            let cork = corked >> (index % 64) & 1 == 1;
            if cork {
                connection.cork();
            }
            let payload = vec![index as u8; *size];
            let before = connection.buffered_amount();
            match connection.send_binary(payload.clone().into()) {
                Ok(_) => expected.push(Frame::new(BINARY, payload)),
                Err(error) => {
                    prop_assert_eq!(error.code(), ErrorCode::WriteBufferFull);
                    prop_assert_eq!(connection.buffered_amount(), before);
                }
            }
            if cork {
                connection.uncork();
            }
            if index % 3 == 0 {
                events(&mut connection, Instant::now(), 1);
            }
        }
        connection.close(None).unwrap();
        expected.push(Frame::close(1000, ""));
        flush(&mut connection, 311);
        prop_assert_eq!(connection.stream().frames(), expected);
    }
}
