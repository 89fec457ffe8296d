// The messages of the soak: the n-th of a direction of a connection is the same wherever it is
// computed, so that whoever receives it knows every byte, and its place, beforehand.

import { hash, type Plan } from './plan.mjs';

export type Direction = 'to-client' | 'to-server';
export type Message = string | Buffer;

const LONGEST = 1 << 20;
const KINDS = 8;

/** How often the content repeats itself: quickly made in each worker, and longer than most messages. */
const BLOCK = 1 << 16;

/** Pseudo-random bytes (xorshift). */
function block(): Buffer {
  const bytes = Buffer.allocUnsafe(BLOCK);
  let state = 0x2545_f491;
  for (let at = 0; at < BLOCK; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, at);
  }
  return bytes;
}

const SEEDS = block();
const BYTES = Buffer.alloc(2 * LONGEST, SEEDS);
/** Characters of one byte; compressible. */
const ASCII = SEEDS.toString('base64')
  .slice(0, BLOCK)
  .repeat((2 * LONGEST) / BLOCK);
/** Characters of one to three bytes, none that a cut would halve. */
const UNICODE = Array.from(SEEDS, byte => 'aé€ж字\n"7'[byte & 7])
  .join('')
  .repeat(LONGEST / BLOCK);

/** The message of this number; the first has number 0. */
export function messageOf(plan: Plan, direction: Direction, number: number): Message {
  const way = direction === 'to-client' ? 1 : 2;
  const dice = hash(plan.id, way, number);
  const place = hash(dice, 1);
  // Each order of magnitude as likely as the others.
  const length = Math.floor(2 ** ((plan.sizes * (hash(dice, 2) % 1_000)) / 999));
  switch (dice % KINDS) {
    case 0:
    case 1:
    case 2:
      return headed(plan, number, length) + slice(ASCII, place, length);
    case 3: {
      // At most three bytes a character.
      const characters = Math.ceil(length / 3);
      return headed(plan, number, characters) + slice(UNICODE, place, characters);
    }
    default: {
      const start = place % (BYTES.length - length);
      return BYTES.subarray(start, start + length);
    }
  }
}

/** Longer texts tell themselves which they are, for whoever reads a violation. */
function headed({ id }: Plan, number: number, length: number): string {
  return length < 32 ? '' : `${id}/${number} `;
}

function slice(text: string, place: number, length: number): string {
  const start = place % (text.length - length);
  return text.slice(start, start + length);
}

/** What differs between a message and the one expected; undefined if nothing does. */
export function difference(received: Message, expected: Message): string | undefined {
  if (typeof received === 'string' || typeof expected === 'string') {
    return received === expected ? undefined : `${brief(received)} in place of ${brief(expected)}`;
  }
  return received.equals(expected) ? undefined : `${brief(received)} for ${brief(expected)}`;
}

function brief(message: Message): string {
  return typeof message === 'string'
    ? `text of ${message.length}: ${JSON.stringify(message.slice(0, 40))}`
    : `binary of ${message.length}: ${message.toString('hex', 0, 16)}`;
}
