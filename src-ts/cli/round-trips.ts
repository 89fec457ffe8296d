// Round trips with one client: a message goes there, its answer comes back, the next one goes.
// Runs in a worker thread; sends nothing itself.

import type { Measure } from './command';

/** How long answers are not counted at first: the compiler is at work. */
const WARM_UP = 100;

/** The messages of one measurement and the times that they took. */
export class RoundTrips {
  readonly #measure: Measure;
  readonly #bytes: Buffer;
  readonly #filler: string;
  readonly #milliseconds: number;
  /** Known once the first message goes: connecting is not measured. */
  #countFrom = Number.POSITIVE_INFINITY;
  #end = Number.POSITIVE_INFINITY;
  readonly #times: number[] = [];
  #number = 0;
  #text = '';
  #begun = 0;

  constructor(measure: Measure, size: number, milliseconds: number) {
    this.#measure = measure;
    this.#bytes = Buffer.alloc(size, '.');
    this.#filler = '.'.repeat(size - 8);
    this.#milliseconds = milliseconds;
  }

  /** The next message as text; its time begins. */
  text(): string {
    this.#text = String(this.#nextNumber()).padStart(8, '0') + this.#filler;
    this.#begin();
    return this.#text;
  }

  /** The next message, or what the next ping carries; its time begins. */
  bytes(): Buffer {
    this.#bytes.writeUInt32BE(this.#nextNumber(), 0);
    this.#begin();
    return this.#bytes;
  }

  /** Whether this is the answer that was waited for; servers may have more to say. */
  answer(data: string | Buffer): boolean {
    const now = performance.now();
    const isIt =
      this.#measure === 'text'
        ? data === this.#text
        : Buffer.isBuffer(data) && this.#bytes.equals(data);
    if (isIt && now >= this.#countFrom) this.#times.push((now - this.#begun) * 1000);
    return isIt;
  }

  get isOver(): boolean {
    return performance.now() >= this.#end;
  }

  /** Microseconds. */
  get times(): Float64Array<ArrayBuffer> {
    return Float64Array.from(this.#times);
  }

  #begin(): void {
    this.#begun = performance.now();
    if (this.#end !== Number.POSITIVE_INFINITY) return;
    this.#countFrom = this.#begun + WARM_UP;
    this.#end = this.#countFrom + this.#milliseconds;
  }

  #nextNumber(): number {
    this.#number = (this.#number + 1) % 10 ** 8;
    return this.#number;
  }
}
