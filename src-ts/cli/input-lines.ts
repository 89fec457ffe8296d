// The lines of standard input where it is no prompt: of a pipe, a file, or a terminal without one.

import { isUtf8 } from 'node:buffer';

import { type BinaryFormat, decodeBinary } from './binary-text';
import type { Outgoing } from './command';
import { UsageError } from './usage-error';

/** A line is a message, and is in memory at once. */
const LONGEST = 64 << 20;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** Makes messages of lines: texts, or bytes written in a format. */
export class InputLines {
  readonly #format: BinaryFormat | undefined;
  /** Of a line whose end has not come yet. */
  #begun: Buffer[] = [];
  #length = 0;
  #number = 0;

  constructor(format: BinaryFormat | undefined) {
    this.#format = format;
  }

  /** The messages whose lines end in this chunk. */
  *push(chunk: Buffer): Generator<Outgoing> {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      yield this.#message(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start === chunk.length) return;
    this.#begun.push(chunk.subarray(start));
    this.#length += chunk.length - start;
    if (this.#length > LONGEST) {
      throw new UsageError(`${this.#name(1)} is longer than ${LONGEST} bytes`);
    }
  }

  /** A last line needs no end. */
  *end(): Generator<Outgoing> {
    if (this.#begun.length > 0) yield this.#message(Buffer.alloc(0));
  }

  #message(rest: Buffer): Outgoing {
    this.#number++;
    let line = rest;
    if (this.#begun.length > 0) {
      line = Buffer.concat([...this.#begun, rest]);
      this.#begun = [];
      this.#length = 0;
    }
    if (line.at(-1) === CARRIAGE_RETURN) line = line.subarray(0, -1);
    if (!isUtf8(line)) {
      throw new UsageError(
        `${this.#name(0)} is not UTF-8; bytes are written as hex or base64, with --binary-lines`,
      );
    }
    const text = line.toString();
    return this.#format ? decodeBinary(this.#name(0), text, this.#format) : text;
  }

  #name(ahead: number): string {
    return `line ${this.#number + ahead} of standard input`;
  }
}
