#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use proptest::prelude::*;
use zlib_rs::{Deflate, DeflateFlush};

use super::*;
use crate::{
    error::{ErrorCode, Result},
    event::MessageKind::{self, Binary},
};

const LIMIT: usize = 1 << 20;

/// A client's codec where everything asked for was agreed on.
fn codec(options: PerMessageDeflateOptions) -> Codec {
    let agreed = PerMessageDeflateAgreement {
        server_no_context_takeover: options.server_no_context_takeover,
        client_no_context_takeover: options.client_no_context_takeover,
        client_max_window_bits: options.client_max_window_bits.unwrap_or(15),
        ..PerMessageDeflateAgreement::default()
    };
    Codec::new(options, agreed)
}

fn everything() -> PerMessageDeflateOptions {
    PerMessageDeflateOptions::new().threshold(0)
}

fn inflate_within(limit: usize, codec: &mut Codec, data: &[u8]) -> Result<Bytes> {
    let received = (Binary, Bytes::copy_from_slice(data));
    codec.open(received, Some(Binary), limit).map(|(_, message)| message)
}

fn inflate(codec: &mut Codec, data: &[u8]) -> Result<Bytes> {
    inflate_within(LIMIT, codec, data)
}

/// What another implementation's server makes of the messages, one after another.
fn payloads<'a>(
    messages: impl IntoIterator<Item = &'a [u8]>,
    level: i32,
    flush: DeflateFlush,
) -> Vec<Vec<u8>> {
    let mut deflate = Deflate::new(level, false, 15);
    let payload = |message: &[u8]| {
        if message.is_empty() {
            return vec![0];
        }
        let mut payload = vec![0; 2 * message.len() + 100];
        let before = deflate.total_out();
        deflate.compress(message, &mut payload, flush).unwrap();
        payload.truncate((deflate.total_out() - before) as usize - 4);
        payload
    };
    messages.into_iter().map(payload).collect()
}

fn json(id: usize) -> String {
    format!("{{\"id\":{id},\"price\":\"{}.{:02}\",\"side\":\"buy\"}}", 60_000 + id * 7 % 997, id * 31 % 100)
}

/// Text that compresses, to a little or a lot.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a-c]{0,300}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
        (0..500_usize, 1..200_usize)
            .prop_map(|(id, count)| (id..id + count).map(json).collect::<String>().into_bytes()),
    ]
}

#[test]
fn the_examples_of_the_rfc_are_inflated() {
    // RFC 7692, section 7.2.3: one block, two, context taken over, stored, BFINAL set, two blocks.
    for payloads in [
        &[&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..]][..],
        &[
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
            &[0xf2, 0x00, 0x11, 0x00, 0x00],
        ],
        &[&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]],
        &[
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        ],
        &[&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]],
    ] {
        let mut codec = codec(everything());
        for payload in payloads {
            assert_eq!(inflate(&mut codec, payload).unwrap(), "Hello", "{payload:x?}");
        }
    }
    assert_eq!(inflate(&mut codec(everything()), &[0x00]).unwrap(), "");
}

#[test]
fn what_was_sent_before_a_last_block_is_not_referred_to_behind_it() {
    let mut codec = codec(everything());
    inflate(&mut codec, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]).unwrap();
    let error = inflate(&mut codec, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap_err().to_string();
    assert!(error.ends_with("a compressed message is corrupt: it is no deflate data"), "{error}");
}

#[test]
fn a_payload_cut_anywhere_is_never_a_message() {
    let messages: Vec<_> = (0..8).map(|id| (id..id + 20).map(json).collect::<String>()).collect();
    let mut tried = 0;
    for level in [0, 1, 6, 9] {
        let payloads = payloads(messages.iter().map(String::as_bytes), level, DeflateFlush::SyncFlush);
        for (index, payload) in payloads.iter().enumerate() {
            for cut in 0..payload.len() {
                // Of a stored block this is left: an empty message.
                if payload[..cut] == [0x00] {
                    continue;
                }
                let mut codec = codec(everything());
                for (payload, message) in payloads.iter().zip(&messages).take(index) {
                    assert_eq!(inflate(&mut codec, payload).unwrap(), message);
                }
                let error = inflate(&mut codec, &payload[..cut]).unwrap_err();
                assert_eq!(error.code(), ErrorCode::Protocol, "{error} at {cut}");
                tried += 1;
            }
        }
    }
    assert!(tried > 1000);
}

/// Bits in the order in which deflate reads them.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn number(&mut self, value: u32, width: usize) {
        self.0.extend((0..width).map(|bit| value >> bit & 1 == 1));
    }

    /// Huffman codes are read from their first bit on.
    fn code(&mut self, bits: &str) {
        self.0.extend(bits.chars().map(|bit| bit == '1'));
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| (0..8).map(|at| u8::from(bits[at]) << at).sum();
        self.0.chunks_exact(8).map(byte).collect()
    }
}

/// RFC 1951, section 3.2.7: a block with its own codes, cut off within the list of their lengths, of
/// which the tail's zeros and ones make the rest, and the end-of-block code, all ones, behind it.
///
/// A power of two codes of `length` bits: literals and the end of the block, which is the last.
fn block_that_the_tail_ends(length: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.number(0, 1);
    bits.number(2, 2);
    let (literals, distances) = (286, 7);
    bits.number(literals - 257, 5);
    bits.number(distances - 1, 5);
    // The lengths' own codes: 0 for a zero, 10 for `length`, 11 and three bits for 3 to 10 zeros.
    let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3];
    bits.number(order.len() as u32 - 4, 4);
    for of in order {
        bits.number(
            match of {
                0 => 1,
                17 => 2,
                of if of == length => 2,
                _ => 0,
            },
            3,
        );
    }
    let codes = (1 << length) - 1;
    (0..codes).for_each(|_| bits.code("10"));
    let mut zeros = 256 - codes;
    // The rest of the list has to begin with a byte.
    while !(bits.0.len() + zeros / 10 * 5 + zeros % 10 + 2).is_multiple_of(8) {
        bits.code("0");
        zeros -= 1;
    }
    (0..zeros / 10).for_each(|_| bits.code("11111"));
    (0..zeros % 10).for_each(|_| bits.code("0"));
    bits.code("10");
    assert_eq!(bits.0.len() % 8, 0);
    bits.bytes()
}

#[test]
fn a_tail_that_ends_another_block_within_its_last_byte_is_noticed() {
    for (length, bits_left) in [(3, 3), (4, 2)] {
        let payload = block_that_the_tail_ends(length);
        let error = inflate(&mut codec(everything()), &payload).expect_err("out of step");
        assert_eq!(error.code(), ErrorCode::Protocol, "{bits_left}");
    }
    // A single bit passes for the mark of a last block: that shows in the next message.
    let mut codec = codec(everything());
    assert_eq!(inflate(&mut codec, &block_that_the_tail_ends(5)).unwrap(), "");
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let error = inflate(&mut codec, &hello).unwrap_err();
    assert!(error.to_string().ends_with("it does not end where a message does"), "{error}");
}

#[test]
fn payloads_of_every_length_around_what_is_copied_are_inflated() {
    // Stored, so that a payload is as long as its message and six bytes.
    let noise: Vec<u8> = (0..2100_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
    for size in (4000..4200).chain(8100..8300) {
        let mut codec = codec(everything());
        let messages = [&noise[..size], &noise[..100], &noise[..size]];
        for (payload, message) in payloads(messages, 1, DeflateFlush::SyncFlush).iter().zip(messages) {
            assert!(inflate(&mut codec, payload).unwrap() == message, "{size}");
        }
    }
}

#[test]
fn garbage_behind_the_data_is_refused() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    // The tail that senders leave out, a byte, another message's end, a block that cannot be.
    for trailing in [&[0x00, 0x00, 0xff, 0xff][..], &[0x00], &[0x07], &[0xff; 9]] {
        let payload = [&hello, trailing].concat();
        assert!(inflate(&mut codec(everything()), &payload).is_err(), "{payload:x?}");
        if trailing != [0x00] {
            let payload = [&last, trailing].concat();
            assert!(inflate(&mut codec(everything()), &payload).is_err(), "{payload:x?}");
        }
    }
}

#[test]
fn the_limit_is_one_for_what_the_payload_becomes() {
    for size in [1, 1000, 32 << 10, (32 << 10) + 1, 300_000] {
        let message = vec![b'x'; size];
        let payload = payloads([&message[..]], 6, DeflateFlush::SyncFlush).remove(0);
        assert_eq!(inflate_within(size, &mut codec(everything()), &payload).unwrap(), message);
        let error = inflate_within(size - 1, &mut codec(everything()), &payload).unwrap_err();
        assert_eq!(error.code(), ErrorCode::MessageTooLarge, "{size}");
    }
}

#[test]
fn text_that_is_no_utf_8_once_inflated_is_refused() {
    let payload = payloads([&b"\xff\xfe"[..]], 6, DeflateFlush::SyncFlush).remove(0);
    assert!(inflate(&mut codec(everything()), &payload).is_ok());
    let received = (Binary, Bytes::from(payload));
    let error = codec(everything()).open(received, Some(MessageKind::Text), LIMIT).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidUtf8);
}

#[test]
fn short_empty_and_incompressible_messages_are_sent_as_they_are() {
    let mut by_default = codec(PerMessageDeflateOptions::new());
    assert_eq!(by_default.deflate(&[b'x'; 1023]), None);
    assert!(by_default.deflate(&[b'x'; 1024]).unwrap().len() < 50);

    let noise: Vec<u8> = (0..64_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
    let mut alone = codec(everything().client_no_context_takeover(true));
    assert_eq!(alone.deflate(&noise), None);
    // Where the peer follows the context, it has to see what went into it.
    let mut following = codec(everything());
    assert!(following.deflate(&noise).unwrap().len() > noise.len());
    assert_eq!(following.deflate(&[]), None);
    assert!(following.deflate(&noise).unwrap().len() < noise.len());
}

#[test]
fn a_window_that_zlib_cannot_keep_is_not_used() {
    let agreed = PerMessageDeflateAgreement { client_max_window_bits: 8, ..Default::default() };
    assert_eq!(Codec::new(everything(), agreed).deflate(&[b'x'; 5000]), None);
}

#[test]
fn a_small_window_is_not_looked_beyond() {
    // 400 bytes that do not repeat but for the same message 24,000 bytes before.
    let message = |number: u32| -> Vec<u8> {
        (0..100).flat_map(|n| (n + number % 60 * 100).wrapping_mul(0x9e37_79b9).to_be_bytes()).collect()
    };
    for bits in 9..=15 {
        let mut codec = codec(everything().client_max_window_bits(Some(bits)).unwrap().level(9).unwrap());
        let mut sent = Vec::new();
        for number in 0..120 {
            let message = message(number);
            let payload = codec.deflate(&message).unwrap();
            assert_eq!(bits == 15 && number >= 60, payload.len() < 100, "{bits} bits");
            // A peer that has kept no more than the window.
            let mut inflate = zlib_rs::Inflate::new(false, 15);
            inflate.set_dictionary(&sent[sent.len().saturating_sub(1 << bits)..]).unwrap();
            let mut inflated = [0; 400];
            inflate.decompress(&payload, &mut inflated, zlib_rs::InflateFlush::SyncFlush).unwrap();
            assert_eq!(inflated[..], message, "{bits} bits");
            sent.extend(message);
        }
    }
}

#[test]
fn messages_of_many_chunks_go_both_ways() {
    let message: Vec<u8> = (0..50_000_u32).flat_map(|n| n.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
    for options in [everything(), everything().client_no_context_takeover(true)] {
        for level in [0, 1, 3, 6, 9] {
            let mut codec = codec(options.clone().level(level).unwrap());
            for message in [&message[..], b"short", &message[..70_000], b"short"] {
                if let Some(payload) = codec.deflate(message) {
                    assert!(inflate_within(message.len(), &mut codec, &payload).unwrap() == message);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_deflated_inflates_to_itself(
        messages in prop::collection::vec(message(), 1..12),
        level in 0..=9_u32,
        mem_level in 1..=9_u32,
        window in 9..=15_u32,
        no_takeover in any::<bool>(),
    ) {
        let options = everything()
            .level(level)
            .and_then(|options| options.mem_level(mem_level))
            .and_then(|options| options.client_max_window_bits(Some(window)))
            .unwrap()
            .client_no_context_takeover(no_takeover);
        let mut codec = codec(options);
        for message in messages {
            match codec.deflate(&message) {
                Some(payload) => prop_assert_eq!(inflate(&mut codec, &payload).unwrap(), message),
                None => prop_assert!(no_takeover || message.is_empty()),
            }
        }
    }

    /// Whatever a corrupt payload becomes, the messages after it are themselves or refused.
    #[test]
    fn a_corrupt_payload_ends_in_a_message_or_an_error(
        messages in prop::collection::vec(message(), 1..6),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        level in 0..=9,
    ) {
        let flush = if level % 2 == 0 { DeflateFlush::SyncFlush } else { DeflateFlush::FullFlush };
        let mut payloads = payloads(messages.iter().map(Vec::as_slice), level, flush);
        let last = payloads.last_mut().unwrap();
        if !last.is_empty() {
            let at = at.index(last.len());
            last[at] = byte;
        }
        let mut codec = codec(everything());
        for payload in &payloads {
            match inflate(&mut codec, payload) {
                Ok(message) => prop_assert!(message.len() <= LIMIT),
                Err(error) => prop_assert_eq!(error.code(), ErrorCode::Protocol),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_end_in_a_message_or_an_error(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
        limit in 0..500_usize,
    ) {
        let mut codec = codec(everything());
        for payload in payloads {
            match inflate_within(limit, &mut codec, &payload) {
                Ok(message) => prop_assert!(message.len() <= limit),
                Err(_) => break,
            }
        }
    }
}
