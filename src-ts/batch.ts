// Memory that native code writes events to, and a pool of it: the layout of a batch is known here
// and to those that read it, nowhere else.

import { constants } from 'node:buffer';
import { markAsUntransferable } from 'node:worker_threads';

import { S9WebSocketError } from './errors';
import { addon, type NativeBatch } from './native';

/** Kinds of event, the first of a descriptor's four numbers. */
export const enum Kind {
  Activated = 0,
  TextAscii = 1,
  TextUtf8 = 2,
  Binary = 3,
  Ping = 4,
  Pong = 5,
  ConnectionClosed = 6,
  Error = 7,
  Quit = 8,
  TextAsBytes = 9,
  TextUtf16 = 10,
}

/** Whether an event of this kind is a text or binary message. */
export function isMessage(kind: Kind): boolean {
  return kind <= Kind.Binary ? kind >= Kind.TextAscii : kind >= Kind.TextAsBytes;
}

/** A descriptor is `[kind, offset, length, code]`. */
export const enum Field {
  Kind = 0,
  Offset = 1,
  Length = 2,
  Code = 3,
  Count = 4,
}

/** What native code returns: the number of events in the low bits, and flags. */
export const enum Result {
  CountMask = 0xffff,
  Idle = 0x10000,
  NeedsSlab = 0x20000,
  More = 0x40000,
  Over = 0x80000,
  Expected = 0x100000,
}

/** The most events in a batch: one kernel read of 64 KiB holds about as many 64-byte messages. */
export const BATCH_CAPACITY = 1024;

const SLAB_BYTES = 64 * 1024;
/** Longer messages get a slab of their own, so that a view kept of one pins little else. */
const LARGE_MESSAGE = SLAB_BYTES / 2;
/** Short texts are decoded together as long as they have no more characters than this, */
const TEXTS_TOGETHER = 1024;
/** or so many times those of the first. One that is kept keeps the others' memory. */
const TEXTS_OF_ONE = 4;
/** A slab that had to be larger than this is let go of once its events have been delivered. */
const LARGEST_KEPT = 1024 * 1024;

/** The class of a `Buffer`'s own views, or `Buffer` itself, which is not to be constructed. */
type Views = new (memory: ArrayBufferLike, offset: number, length: number) => Buffer;
const Views = (Buffer as unknown as { [Symbol.species]: Views })[Symbol.species];
/** Half the time of `subarray` on Node 20, and four fifths of it later. */
const areConstructed = Views !== (Buffer as unknown as Views);

// Documented nowhere, but there since Node 0.x and in Bun and Deno, and what toString() ends in.
interface Slab extends Buffer {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  ucs2Slice(start: number, end: number): string;
}

/** The longest text, in bytes, that is always widened: UTF-16 can be decoded together. */
const WIDENED = 128;
// Until 24, Node decodes UTF-8 a byte at a time: at 1 KiB of Chinese text 3.9 µs, where widening in
// native code and taking that over take 0.5 µs. Later ones decode as fast themselves.
const decodesFast = Number.parseInt(process.versions.node, 10) >= 24;
addon.widenText(decodesFast ? WIDENED : 2 ** 32 - 1);

/** A native function that writes events into the batch of a number; it takes what else it needs. */
export type Write = (batch: number, first: number, second: number) => number;

/** A batch of events. */
export class Batch {
  /** Its views are good until the next batch only: that is written to the same memory. */
  readonly reusesViews: boolean;
  readonly descriptors = new Uint32Array(Field.Count * BATCH_CAPACITY);
  readonly times = new Float64Array(BATCH_CAPACITY);
  readonly #native: NativeBatch;
  readonly #number: number;
  #slab!: Slab;
  #memory!: ArrayBufferLike;
  /** A part of the slab was handed out. */
  #isShared = false;
  /** Text has left a slab that bytes are not to share. */
  #isOutgrown = false;
  #count = 0;
  /** Texts decoded together, and where in the slab they are. */
  #texts = '';
  #textsStart = 0;
  #textsEnd = 0;

  constructor(reusesViews: boolean) {
    this.reusesViews = reusesViews;
    this.#native = new addon.NativeBatch(this.descriptors, this.times, reusesViews);
    this.#number = this.#native.number();
    this.#replaceSlab(SLAB_BYTES);
  }

  /** Has events written into it; what `write` returned, once the slab is large enough. */
  fill(write: Write, first: number, second: number): number {
    this.rest();
    this.#texts = '';
    this.#textsEnd = 0;
    let result = write(this.#number, first, second);
    while (result & Result.NeedsSlab) {
      const needed = this.descriptors[0] as number;
      this.#replaceSlab(needed > LARGE_MESSAGE ? needed : SLAB_BYTES);
      result = write(this.#number, first, second);
    }
    this.#count = result & Result.CountMask;
    return result;
  }

  /** Text that is all ASCII, of the event at `index`; to be asked for in order. */
  ascii(index: number, start: number, end: number): string {
    if (end <= this.#textsEnd) {
      return this.#texts.slice(start - this.#textsStart, end - this.#textsStart);
    }
    return this.#decode(index, start, end, 1);
  }

  /** Text with other characters, widened; to be asked for as `ascii` is. */
  utf16(index: number, start: number, end: number): string {
    if (end <= this.#textsEnd) {
      return this.#texts.slice((start - this.#textsStart) / 2, (end - this.#textsStart) / 2);
    }
    return this.#decode(index, start, end, 2);
  }

  /** Text with other characters. */
  utf8(start: number, end: number): string {
    try {
      return this.#slab.utf8Slice(start, end);
    } catch (cause) {
      throw undecoded(end - start, cause);
    }
  }

  /** Bytes that the caller may keep, unless this batch reuses its views. */
  view(start: number, end: number): Buffer {
    if (start === end) return Buffer.alloc(0);
    if (!this.#isShared && (this.reusesViews || end - start < this.#slab.length)) {
      if (!this.reusesViews && this.#slab.length > SLAB_BYTES) return this.#copy(start, end);
      this.#share();
    }
    if (areConstructed) return new Views(this.#memory, start, end - start);
    return this.#slab.subarray(start, end);
  }

  /** Lets go of memory that only a very large message needed, or text before bytes came. */
  rest(): void {
    if (this.#isOutgrown || this.#slab.length > LARGEST_KEPT) this.#replaceSlab(SLAB_BYTES);
  }

  /**
   * A call for each short text takes several times as long as a slice of what one call decoded.
   * `width` is that of a character; wide ones begin at even offsets.
   */
  #decode(index: number, start: number, end: number, width: 1 | 2): string {
    // An empty one may lie behind a large message whose memory has been transferred.
    if (start === end) return '';
    const together = TEXTS_TOGETHER * width;
    const limit = start + Math.max(together, TEXTS_OF_ONE * Math.min(end - start, together));
    const kind = this.descriptors[index * Field.Count];
    let last = end;
    for (let next = index + 1; next < this.#count; next++) {
      const at = next * Field.Count;
      if (this.descriptors[at] !== kind) break;
      const nextEnd =
        (this.descriptors[at + Field.Offset] as number) +
        (this.descriptors[at + Field.Length] as number);
      if (nextEnd > limit) break;
      last = nextEnd;
    }
    let texts: string;
    try {
      texts = width === 1 ? this.#slab.latin1Slice(start, last) : this.#slab.ucs2Slice(start, last);
    } catch (cause) {
      throw undecoded((end - start) / width, cause);
    }
    if (last === end) return texts;
    this.#texts = texts;
    this.#textsStart = start;
    this.#textsEnd = last;
    return texts.slice(0, (end - start) / width);
  }

  /** A view would keep all of a slab that large text has left, and could not be transferred. */
  #copy(start: number, end: number): Buffer {
    this.#isOutgrown = true;
    return Buffer.from(this.#slab.subarray(start, end));
  }

  /** Whoever transferred one message would take the others along: Node marks its own pool so. */
  #share(): void {
    this.#isShared = true;
    markAsUntransferable(this.#memory);
  }

  #replaceSlab(bytes: number): void {
    // Slow: not from Node's shared pool, whose neighbours a kept view would pin.
    this.#slab = Buffer.allocUnsafeSlow(bytes) as Slab;
    this.#memory = this.#slab.buffer;
    this.#isShared = false;
    this.#isOutgrown = false;
    this.#native.setSlab(this.#slab);
  }
}

/** What decoding threw; by the length where that is what is wrong, since engines differ in their errors. */
function undecoded(length: number, cause: unknown): unknown {
  const most = constants.MAX_STRING_LENGTH;
  if (length <= most) return cause;
  return new S9WebSocketError(
    'ERR_S9_MESSAGE_TOO_LARGE',
    `text of ${length} characters is over the limit of ${most} of a string (as bytes: textFormat: 'buffer')`,
    { cause },
  );
}

const kept: Batch[] = [];
const reused: Batch[] = [];

/** Borrows a batch; a nested run or poll thereby gets another one. */
export function borrowBatch(reusesViews: boolean): Batch {
  return (reusesViews ? reused : kept).pop() ?? new Batch(reusesViews);
}

/** Gives a batch back once its events have been delivered. */
export function returnBatch(batch: Batch): void {
  batch.rest();
  (batch.reusesViews ? reused : kept).push(batch);
}
