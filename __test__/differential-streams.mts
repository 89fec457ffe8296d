// What a server might send after the upgrade: valid streams, wrong ones, and ones that were changed on
// the way. Each is known by seed and number.

import { closeFrame, type FrameOptions, frame, Opcode } from './frames.mjs';
import { Random } from './random.mjs';

/** The clients' limit for messages and frames. */
export const LIMIT = 100_000;

export interface Stream {
  bytes: Buffer;
  /** Where it is cut into pieces. */
  cuts: number[];
}

/** Once in so many messages something is wrong with one. */
const WRONG = 12;

export function stream(seed: number, number: number): Stream {
  const random = new Random(seed, 'stream', number);
  const frames: Buffer[] = [];
  for (let count = random.between(0, 8); count > 0; count--) {
    frames.push(...(random.oneIn(WRONG) ? [wrong(random)] : message(random)));
  }
  if (random.oneIn(10)) frames.push(beginning(random));
  else if (!random.oneIn(4)) frames.push(close(random));
  // Nothing may follow a Close frame, and whatever does is not looked at.
  if (random.oneIn(8)) frames.push(...message(random));
  let bytes: Buffer = Buffer.concat(frames);
  if (random.oneIn(3)) bytes = mutated(random, bytes);
  return { bytes, cuts: cutsOf(random, bytes.length) };
}

function size(random: Random): number {
  if (random.oneIn(60)) return random.between(65_530, 65_545);
  const [least, most] = random.pick([
    [0, 20],
    [120, 132],
    [0, 1_000],
  ] as const);
  return random.between(least, most);
}

const LETTERS = ['a', 'z', ' ', 'é', '€', '🌍', '\u{10ffff}', '\u{7ff}', '\0'];

function payload(random: Random, opcode: number): Buffer {
  const length = size(random);
  if (opcode !== Opcode.Text) return random.bytes(length);
  const unit = Array.from({ length: 7 }, () => random.pick(LETTERS)).join('');
  const text = Buffer.from(unit.repeat(Math.ceil(length / Buffer.byteLength(unit))));
  // Cut between characters.
  let end = Math.min(length, text.length);
  while (end < text.length && ((text[end] as number) & 0xc0) === 0x80) end++;
  return text.subarray(0, end);
}

/** A message in one or more frames, with control frames between. */
function message(random: Random): Buffer[] {
  const opcode = random.pick([Opcode.Text, Opcode.Binary]);
  const data = payload(random, opcode);
  const pieces = random.oneIn(3) ? random.between(2, 5) : 1;
  const ends = Array.from({ length: pieces - 1 }, () => random.between(0, data.length));
  ends.sort((a, b) => a - b).push(data.length);
  const frames: Buffer[] = [];
  let start = 0;
  for (const [index, end] of ends.entries()) {
    if (random.oneIn(5)) frames.push(control(random));
    const options: FrameOptions = { fin: index === pieces - 1 };
    frames.push(
      frame(index === 0 ? opcode : Opcode.Continuation, data.subarray(start, end), options),
    );
    start = end;
  }
  return frames;
}

/** Of a text message, perhaps in fragments, whose rest never comes: cut anywhere, or behind something invalid. */
function beginning(random: Random): Buffer {
  const text = payload(random, Opcode.Text);
  const begun = text.subarray(0, random.between(0, text.length));
  const data = random.oneIn(2) ? begun : Buffer.concat([begun, invalidUtf8(random)]);
  const announced = BigInt(data.length + random.between(1, 2_000));
  const fin = random.oneIn(2);
  if (random.oneIn(2)) return frame(Opcode.Text, data, { fin, announced });
  const first = frame(Opcode.Text, random.pick(['', 'é']), { fin: false });
  return Buffer.concat([first, frame(Opcode.Continuation, data, { fin, announced })]);
}

function control(random: Random, options?: FrameOptions): Buffer {
  const length = random.pick([0, 4, 125]);
  return frame(random.pick([Opcode.Ping, Opcode.Pong]), random.bytes(length), options);
}

const CLOSE_CODES = [
  ...[0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1010, 1011, 1012, 1013, 1014, 1015],
  ...[1016, 2999, 3000, 3999, 4000, 4999, 5000, 65_535],
];

function close(random: Random): Buffer {
  switch (random.between(0, 9)) {
    case 0:
      return frame(Opcode.Close);
    case 1:
      return closeFrame(random.pick(CLOSE_CODES), 'why');
    case 2:
      return random.pick([
        frame(Opcode.Close, random.bytes(1)),
        frame(Opcode.Close, Buffer.concat([Buffer.of(3, 232), invalidUtf8(random)])),
        frame(Opcode.Close, Buffer.concat([Buffer.of(3, 232), Buffer.alloc(124, 'x')])),
        frame(Opcode.Close, Buffer.of(3, 232), { fin: false }),
      ]);
    default:
      return closeFrame(random.pick([1000, 1001, 3000, 4999]), random.pick(['', 'bye', 'größer']));
  }
}

/** Overlong, a surrogate, past the last character, cut off, a lonely second byte (RFC 3629). */
function invalidUtf8(random: Random): Buffer {
  return Buffer.from(
    random.pick([[0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80]]),
  );
}

function wrong(random: Random): Buffer {
  const opcode = random.pick([Opcode.Text, Opcode.Binary, Opcode.Ping]);
  const text = random.pick(['', 'hi', 'x'.repeat(125)]);
  switch (random.between(0, 9)) {
    case 0:
      return frame(opcode, text, { masked: true });
    case 1:
      return frame(opcode, text, { rsv: random.between(1, 7) });
    case 2:
      return frame(random.pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), text);
    case 3:
      return control(random, { fin: false });
    case 4:
      return frame(random.pick([Opcode.Ping, Opcode.Pong]), random.bytes(random.between(126, 300)));
    case 5:
      return frame(Opcode.Continuation, text, { fin: random.oneIn(2) });
    case 6:
      // Another message within this one, or this one never ends.
      return Buffer.concat([frame(Opcode.Text, text, { fin: false }), frame(Opcode.Binary, text)]);
    case 7: {
      const data = Buffer.concat([Buffer.from('é'), invalidUtf8(random)]);
      if (random.oneIn(2)) return frame(Opcode.Text, data);
      const rest = frame(Opcode.Continuation, 'rest');
      return Buffer.concat([frame(Opcode.Text, data, { fin: false }), rest]);
    }
    case 8: {
      const announced = random.pick([
        BigInt(LIMIT) + 1n,
        2n ** 31n,
        2n ** 32n,
        2n ** 53n,
        2n ** 62n,
        2n ** 64n - 1n,
      ]);
      return frame(random.pick([Opcode.Text, Opcode.Binary, Opcode.Ping]), 'x', { announced });
    }
    default:
      // Longer lengths than need be, which RFC 6455, section 5.2, forbids.
      return Buffer.from(
        random.pick([
          [0x82, 126, 0, 1, 0x78],
          [0x81, 127, 0, 0, 0, 0, 0, 0, 0, 1, 0x78],
          [0x89, 126, 0, 1, 0x78],
        ]),
      );
  }
}

function mutated(random: Random, original: Buffer): Buffer {
  let bytes = Buffer.from(original);
  for (let count = random.between(1, 3); count > 0 && bytes.length > 0; count--) {
    const at = random.between(0, bytes.length - 1);
    const end = Math.min(bytes.length, at + random.between(1, 20));
    switch (random.between(0, 4)) {
      case 0:
        bytes[at] = (bytes[at] as number) ^ (1 << random.between(0, 7));
        break;
      case 1:
        bytes = Buffer.from(bytes.subarray(0, at));
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(3), bytes.subarray(at)]);
    }
  }
  return bytes;
}

function cutsOf(random: Random, length: number): number[] {
  const cuts = Array.from({ length: random.between(0, 5) }, () => random.between(0, length));
  return [...new Set(cuts)].sort((a, b) => a - b);
}
