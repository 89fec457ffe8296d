//! Streams without a network, and the frames on them.

use std::io::{self, Read, Write};

/// First bytes of whole frames (RFC 6455, section 5.2; RFC 7692, section 6).
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const COMPRESSED_TEXT: u8 = 0xc1;

/// Brings the same frames over and over, as much as the reader has room for, and takes whatever is
/// written.
pub(crate) struct Repeating {
    frames: Vec<u8>,
    at: usize,
}

impl Repeating {
    pub(crate) fn new(frames: Vec<u8>) -> Self {
        Self { frames, at: 0 }
    }
}

impl Read for Repeating {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = into.len().min(self.frames.len() - self.at);
        into[..count].copy_from_slice(&self.frames[self.at..self.at + count]);
        self.at = (self.at + count) % self.frames.len();
        Ok(count)
    }
}

impl Write for Repeating {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server's frame with this first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let head = match length {
        0..=125 => vec![first, length as u8],
        126..=0xffff => vec![first, 126, (length >> 8) as u8, length as u8],
        _ => [&[first, 127][..], &(length as u64).to_be_bytes()].concat(),
    };
    [&head, payload].concat()
}

/// JSON of an order book, `size` bytes.
pub(crate) fn json(size: usize) -> Vec<u8> {
    let mut text = String::from("{\"e\":\"depthUpdate\",\"s\":\"BTCUSDT\",\"b\":[");
    for level in 0..size as u32 {
        let noise = level.wrapping_mul(0x9e37_79b9) >> 8;
        text += &format!("[\"{}.{:02}\",\"0.{:05}\"],", 60_000 + level, noise % 100, noise % 99_991);
        if text.len() > size {
            break;
        }
    }
    text.truncate(size);
    text.into_bytes()
}
