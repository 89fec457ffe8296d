// Standard output and standard error: data goes to the one, notes to the other.
// Lines are written in batches; whoever produces them learns when to wait.

import { writeSync } from 'node:fs';

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
  /** Called before and after a write that blocks the thread, maybe for ever. */
  onBlock: (begins: boolean) => void = () => {};
  /** What else made writing fail, such as a full disk. */
  failure: Error | undefined;
  isGone = false;
  #notesAreGone = false;
  #blocks = false;
  #footer: Footer | undefined;
  #waiting = '';
  #scheduled = false;

  constructor() {
    process.stdout.on('error', error => this.#fail(error));
    // With nobody to read notes, the data goes on.
    process.stderr.on('error', () => {
      this.#notesAreGone = true;
    });
  }

  /** Makes a full pipe block the thread: for clients that cannot be told to read no further. */
  blockWhenFull(): void {
    this.#blocks = true;
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
    if (!this.#notesAreGone) this.#write(process.stderr, `${text}\n`);
    this.#footer?.show();
  }

  flush(): void {
    this.#scheduled = false;
    if (this.#waiting === '' || this.isGone) return;
    this.#footer?.hide();
    const text = this.#waiting;
    this.#waiting = '';
    this.#write(process.stdout, text);
    this.#footer?.show();
  }

  /** More should not be produced before `hasRoom` resolves. */
  get isFull(): boolean {
    return !this.isGone && (isFull(process.stdout) || isFull(process.stderr));
  }

  /** Resolves too once nobody reads the data any more. */
  async hasRoom(): Promise<void> {
    for (const stream of [process.stdout, process.stderr]) {
      if (!this.isGone && isFull(stream)) await drained(stream);
    }
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

  #write(stream: NodeJS.WriteStream, text: string): void {
    const pipe = this.#blocks ? pipeOf(stream) : undefined;
    // What was written before there was a need to block goes first.
    if (!pipe || stream.writableLength > 0) stream.write(text);
    else {
      try {
        this.#writeAtOnce(stream === process.stdout ? 1 : 2, pipe, Buffer.from(text));
      } catch (error) {
        if (stream === process.stdout) this.#fail(error as Error);
        else this.#notesAreGone = true;
      }
    }
  }

  #writeAtOnce(fd: number, pipe: Pipe, bytes: Buffer): void {
    let rest = bytes.subarray(written(fd, bytes));
    if (rest.length === 0) return;
    this.onBlock(true);
    pipe.setBlocking(true);
    try {
      while (rest.length > 0) rest = rest.subarray(written(fd, rest));
    } finally {
      pipe.setBlocking(false);
      this.onBlock(false);
    }
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

/** As much of Node's own handle as is used here. */
interface Pipe {
  setBlocking(on: boolean): void;
}

/** The handle of a pipe or a socket; what else there is, and all there is on Windows, blocks anyway. */
function pipeOf(stream: NodeJS.WriteStream): Pipe | undefined {
  const { _handle: handle } = stream as unknown as { _handle?: Partial<Pipe> };
  const blocksAnyway = stream.isTTY || process.platform === 'win32';
  return !blocksAnyway && handle?.setBlocking ? (handle as Pipe) : undefined;
}

/** How many bytes are taken: at once if the descriptor does not block. */
function written(fd: number, bytes: Buffer): number {
  try {
    return writeSync(fd, bytes);
  } catch (error) {
    if (errorCode(error) === 'EAGAIN') return 0;
    throw error;
  }
}

const isFull = (stream: NodeJS.WriteStream) => stream.writableLength > FULL;

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      stream.off('drain', done).off('error', done);
      process.stdout.off('error', done);
      resolve();
    };
    stream.on('drain', done).on('error', done);
    process.stdout.on('error', done);
  });
}
