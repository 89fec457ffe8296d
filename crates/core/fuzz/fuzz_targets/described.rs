//! A server's stream that an input describes in a few bytes, so that long frames, many of them, and cuts
//! at each byte of a header are as cheap to find as short ones. Knows what a client must make of it.

use std::{fmt, ops::Range, sync::LazyLock};

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use crate::script::{BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, close_payload, raw_frame};

/// Lengths around which readers change their ways: those of headers, and of buffers.
const LENGTHS: [usize; 16] = [
    0,
    16,
    60,
    125,
    126,
    1_000,
    4_096,
    8_192,
    16_384,
    32_768,
    65_535,
    65_536,
    65_535 + 125,
    2 * 65_535,
    3 * 65_535,
    200_000,
];
/// Longer streams find nothing more and take longer.
const LONGEST: usize = 1 << 19;
/// Instructions.
const MOST: usize = 48;

/// A server's stream after the upgrade.
#[derive(Default)]
pub(crate) struct Described {
    pub(crate) bytes: Vec<u8>,
    /// Where each frame begins.
    pub(crate) frames: Vec<usize>,
    /// Where a read ends, and whether the next one would block at first.
    pub(crate) cuts: Vec<(usize, bool)>,
    /// What comes out of it, where it is valid.
    pub(crate) valid: Option<Vec<Event>>,
    /// Its lowest two bits are the caller's.
    pub(crate) flags: u8,
}

/// An instruction of eight bytes.
struct Instruction([u8; 8]);

impl Instruction {
    /// A length near one of interest.
    fn length(&self, which: usize) -> usize {
        let near = i16::from(self.0[which + 1] as i8) / 8;
        LENGTHS[usize::from(self.0[which] % 16)].saturating_add_signed(near.into())
    }
}

impl Described {
    /// The stream that an input describes; messages are compressed where the caller can have them so.
    pub(crate) fn of(input: &[u8], deflate: bool) -> Option<Self> {
        let (&flags, program) = input.split_first()?;
        let mut stream = Self { flags, valid: Some(Vec::new()), ..Self::default() };
        let mut deflate = deflate.then(|| {
            let level = i32::from(flags >> 4) % 10;
            Deflate::new_with_config(DeflateConfig { level, window_bits: -15, ..DeflateConfig::default() })
        });
        for (number, instruction) in program.chunks_exact(8).take(MOST).enumerate() {
            if stream.bytes.len() > LONGEST {
                break;
            }
            // As many as make an instruction.
            let Ok(bytes) = instruction.try_into() else { break };
            stream.follow(&Instruction(bytes), number, &mut deflate);
        }
        stream.cuts.retain(|&(at, _)| at < stream.bytes.len());
        stream.cuts.sort_unstable();
        Some(stream)
    }

    fn follow(&mut self, instruction: &Instruction, number: usize, deflate: &mut Option<Deflate>) {
        match instruction.0[0] % 16 {
            0..=7 => self.add_message(instruction, number, deflate.as_mut()),
            8 | 9 => self.add_control(instruction, number),
            10..=12 => self.add_cuts(instruction),
            13 => self.add_frame(instruction, number),
            14 => self.corrupt(instruction),
            _ => {
                self.bytes.extend_from_slice(&instruction.0[1..]);
                self.valid = None;
            }
        }
    }

    /// A valid message in up to five frames, with pings between them.
    fn add_message(&mut self, instruction: &Instruction, number: usize, deflate: Option<&mut Deflate>) {
        let [_, _, _, _, _, fragments, fill, between] = instruction.0;
        let opcode = if fill & 1 == 0 { TEXT } else { BINARY };
        let message = payload(fill >> 1, number, instruction.length(1));
        let mut sent = message.clone();
        let mut rsv1 = 0;
        if let Some(deflate) = deflate
            && fill & 0x80 == 0
            && !message.is_empty()
        {
            (sent, rsv1) = (compressed(deflate, &message), RSV1);
        }
        let mut rest = &sent[..];
        let count = fragments % 5;
        for index in 0..=count {
            // The first ones are as long as the instruction says, the last one takes the rest.
            let length = if index == count { rest.len() } else { instruction.length(3).min(rest.len()) };
            let (part, after) = rest.split_at(length);
            rest = after;
            let fin = if index == count { 0x80 } else { 0 };
            self.add(&raw_frame(fin | if index == 0 { rsv1 | opcode } else { CONTINUATION }, part));
            if index < count && between >> index & 1 == 1 {
                self.add(&raw_frame(0x80 | PING, [b'0' + index]));
                self.expect(event("ping", &[b'0' + index]));
            }
        }
        self.expect(event(if opcode == TEXT { "text" } else { "binary" }, &message));
    }

    fn add_control(&mut self, instruction: &Instruction, number: usize) {
        let [_, kind, length, fill, high, low, ..] = instruction.0;
        let data = payload(fill % 2, number, usize::from(length % 126));
        match kind % 8 {
            0 => {
                let code = u16::from_be_bytes([high, low]);
                let reason = String::from_utf8_lossy(&data);
                self.add(&raw_frame(0x80 | CLOSE, close_payload(code, reason.get(..123).unwrap_or(&reason))));
                self.valid = None;
            }
            1 => {
                self.add(&raw_frame(0x80 | CLOSE, data));
                self.valid = None;
            }
            2..=4 => {
                self.add(&raw_frame(0x80 | PING, &data));
                self.expect(event("ping", &data));
            }
            _ => {
                self.add(&raw_frame(0x80 | PONG, &data));
                self.expect(event("pong", &data));
            }
        }
    }

    /// Any first byte, a length that need not be the shortest form, masked or not.
    fn add_frame(&mut self, instruction: &Instruction, number: usize) {
        let [_, _, _, first, form, announced, fill, _] = instruction.0;
        let payload = payload(fill, number, instruction.length(1));
        let mut length = payload.len() as u64;
        if form & 4 != 0 {
            length = length.wrapping_add(u64::from(announced) << (form >> 3));
        }
        let mut frame = vec![first];
        match form & 3 {
            0 => frame = raw_frame(first, &payload),
            1 => frame.extend([&[126], &(length as u16).to_be_bytes()[..], &payload].concat()),
            2 => frame.extend([&[127], &length.to_be_bytes()[..], &payload].concat()),
            _ => {
                frame.extend([&[0x80 | 126], &(length as u16).to_be_bytes()[..], &[7; 4], &payload].concat())
            }
        }
        self.add(&frame);
        self.valid = None;
    }

    /// Reads that end near the beginning of a frame, or anywhere.
    fn add_cuts(&mut self, instruction: &Instruction) {
        let [_, how, ref cuts @ ..] = instruction.0;
        let frame = self.frames.last().copied().unwrap_or(0);
        for &cut in cuts {
            let at = match how % 4 {
                0 => frame + usize::from(cut % 16),
                1 => self.bytes.len().saturating_sub(usize::from(cut % 16)),
                2 => frame + (usize::from(cut) << 8),
                // In what is still to come.
                _ => self.bytes.len() + usize::from(cut),
            };
            self.cuts.push((at, how & 4 != 0));
        }
    }

    /// Bytes of the last frame's header, or anywhere.
    fn corrupt(&mut self, instruction: &Instruction) {
        let [_, at, with, far, ..] = instruction.0;
        let frame = self.frames.last().copied().unwrap_or(0);
        let at = frame + if far & 1 == 0 { usize::from(at % 16) } else { usize::from(at) << 8 };
        if let Some(byte) = self.bytes.get_mut(at) {
            *byte ^= with;
            self.valid = None;
        }
    }

    fn add(&mut self, frame: &[u8]) {
        self.frames.push(self.bytes.len());
        self.bytes.extend_from_slice(frame);
    }

    fn expect(&mut self, event: Event) {
        if let Some(valid) = &mut self.valid {
            valid.push(event);
        }
    }

    /// The reads that the cuts make of it.
    pub(crate) fn as_cut(&self) -> impl Iterator<Item = (Range<usize>, bool)> {
        pieces(self.cuts.iter().copied(), self.bytes.len())
    }

    /// The reads where each byte of a header comes by itself, and those around it.
    pub(crate) fn as_single_bytes(&self) -> impl Iterator<Item = (Range<usize>, bool)> {
        let blocks = self.flags & 4 != 0;
        let around = self.frames.iter().flat_map(move |&at| at.saturating_sub(2)..at + 16);
        pieces(around.map(move |at| (at, blocks)), self.bytes.len())
    }

    /// The reads that end some bytes behind the beginning of each frame, each after a would-block.
    pub(crate) fn as_cut_in_headers(&self) -> impl Iterator<Item = (Range<usize>, bool)> {
        let behind = 1 + usize::from(self.flags >> 4);
        pieces(self.frames.iter().map(move |at| (at + behind, true)), self.bytes.len())
    }
}

/// The ranges between cuts in order, and whether the one after each would block at first.
fn pieces(
    cuts: impl Iterator<Item = (usize, bool)>,
    length: usize,
) -> impl Iterator<Item = (Range<usize>, bool)> {
    let mut start = 0;
    cuts.chain([(length, false)]).filter_map(move |(at, blocks)| {
        let end = at.min(length);
        let piece = (end > start).then_some((start..end, blocks));
        start = start.max(end);
        piece
    })
}

/// Text in which no two places look the same for long, of one to four bytes a character, for each fill.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    const CHARACTERS: [char; 4] = ['é', '€', '𝄞', '\u{7f}'];
    let text = |fill: usize| {
        let every = [usize::MAX, 64, 7, 1][fill % 4];
        let mut text = String::new();
        for index in 0_usize.. {
            if text.len() > 1 << 18 {
                break;
            }
            if index % every == every - 1 {
                text.push(CHARACTERS[(index / every + fill / 4) % 4]);
            } else {
                text.push(char::from(b' ' + ((index * 7 + index / 94) % 94) as u8));
            }
        }
        text
    };
    (0..16).map(text).collect()
});

/// Part of such a text, filled up where it would end within a character.
fn payload(fill: u8, number: usize, length: usize) -> Vec<u8> {
    let text = &TEXTS[usize::from(fill % 16)];
    let start = text.ceil_char_boundary(31 * number);
    let end = text.floor_char_boundary(start + length);
    let mut bytes = text.as_bytes()[start..end].to_vec();
    bytes.resize(length, b'.');
    bytes
}

/// A message as permessage-deflate has it (RFC 7692, section 7.2.1).
fn compressed(deflate: &mut Deflate, message: &[u8]) -> Vec<u8> {
    let mut output = vec![0; 2 * message.len() + 100];
    let before = deflate.total_out();
    deflate.compress(message, &mut output, DeflateFlush::SyncFlush).expect("room for all of it");
    output.truncate((deflate.total_out() - before) as usize - 4);
    output
}

/// What a client gives out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Event {
    kind: String,
    payload: Vec<u8>,
}

pub(crate) fn event(kind: impl Into<String>, payload: &[u8]) -> Event {
    Event { kind: kind.into(), payload: payload.to_vec() }
}

/// Of long payloads only the length.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload.len() {
            0..=125 => write!(f, "{} {:?}", self.kind, String::from_utf8_lossy(&self.payload)),
            length => write!(f, "{} of {length}", self.kind),
        }
    }
}
