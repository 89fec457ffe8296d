// Standard output and standard error: data goes to the one, notes to the other.
// Lines are written in batches; whoever produces them learns when to wait.

import { errorCode } from './failure';
import { type Paint, paintFor } from './paint';

/** Bytes that may wait for whoever reads our output before it is called full. */
const FULL = 1 << 20;
/** Characters that are written at once rather than in the next turn of the event loop. */
const BATCH = 64 << 10;

/** What stands at the bottom of a terminal and has to make room for lines. */
export interface Footer {
  hide(): void;
  show(): void;
}

export class Output {
  readonly paint: Paint = paintFor(process.stdout);
  readonly paintNote: Paint = paintFor(process.stderr);
  readonly isTerminal: boolean = process.stdout.isTTY === true;
  /** Called once nobody reads our output any more. */
  onGone: () => void = () => {};
  /** What else made writing fail, such as a full disk. */
  failure: Error | undefined;
  isGone = false;
  #footer: Footer | undefined;
  #waiting = '';
  #scheduled = false;

  constructor() {
    process.stdout.on('error', error => this.#fail(error));
    // With nobody to read notes, the data goes on.
    process.stderr.on('error', () => {});
  }

  /** Makes a full pipe block the thread: for clients that cannot be told to read no further. */
  blockWhenFull(): void {
    const { _handle: handle } = process.stdout as unknown as {
      _handle?: { setBlocking?(on: boolean): void };
    };
    handle?.setBlocking?.(true);
  }

  setFooter(footer: Footer | undefined): void {
    this.flush();
    this.#footer = footer;
  }

  /** A line of data. */
  line(text: string): void {
    if (this.isGone) return;
    this.#waiting += text;
    this.#waiting += '\n';
    if (this.#waiting.length >= BATCH) this.flush();
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.flush());
    }
  }

  /** A line for the person at the terminal, in order with the data. */
  note(text: string): void {
    this.flush();
    this.#footer?.hide();
    process.stderr.write(`${text}\n`);
    this.#footer?.show();
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#waiting === '' || this.isGone) return;
    this.#footer?.hide();
    process.stdout.write(this.#waiting);
    this.#waiting = '';
    this.#footer?.show();
  }

  /** More should not be produced before `hasRoom` resolves. */
  get isFull(): boolean {
    return !this.isGone && process.stdout.writableLength > FULL;
  }

  hasRoom(): Promise<void> {
    return new Promise(resolve => {
      if (!this.isFull) return resolve();
      const done = () => {
        process.stdout.off('drain', done).off('error', done);
        resolve();
      };
      process.stdout.on('drain', done).on('error', done);
    });
  }

  /** Resolves once everything is written, or nobody reads it, or it is told why it cannot be. */
  async finish(): Promise<void> {
    this.flush();
    if (!this.isGone) await this.#written();
    if (this.failure) this.note(`s9ws: standard output cannot be written: ${this.failure.message}`);
    await new Promise<void>(resolve => process.stderr.write('', () => resolve()));
  }

  /** Resolves once standard output has taken everything, or has failed and `#fail` knows it. */
  #written(): Promise<void> {
    return new Promise(resolve => {
      process.stdout.once('error', () => resolve());
      // Writes that fail are told by their callbacks first, by the event later.
      process.stdout.write('', error => {
        if (!error) resolve();
      });
    });
  }

  #fail(error: Error): void {
    if (this.isGone) return;
    this.isGone = true;
    this.#waiting = '';
    // EIO: the terminal is gone.
    if (!['EPIPE', 'EIO', 'ECONNRESET'].includes(errorCode(error) ?? '')) this.failure = error;
    this.onGone();
  }
}
