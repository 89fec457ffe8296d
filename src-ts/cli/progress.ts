// How far a measurement is: a line on a terminal that is written over, and nothing elsewhere.

import { clearLine, cursorTo } from 'node:readline';

/** Seldom: what is measured runs beside it. */
const REDRAW = 250;
const WIDTH = 24;

export class Progress {
  readonly #total: number;
  readonly #isShown = process.stderr.isTTY === true;
  readonly #timer: NodeJS.Timeout | undefined;
  #begun = 0;
  #done = 0;
  #current: { what: string; expected: number } | undefined;

  /** Milliseconds, of all steps together. */
  constructor(total: number) {
    this.#total = total;
    if (this.#isShown) this.#timer = setInterval(() => this.#draw(), REDRAW);
  }

  /** A step begins that takes about so long. */
  begin(what: string, expected: number): void {
    this.#done += this.#current?.expected ?? 0;
    this.#current = { what, expected };
    this.#begun = performance.now();
    this.#draw();
  }

  end(): void {
    clearInterval(this.#timer);
    this.#clear();
  }

  #draw(): void {
    if (!this.#isShown || !this.#current) return;
    const { what, expected } = this.#current;
    const elapsed = Math.min(expected, performance.now() - this.#begun);
    const filled = Math.round(((this.#done + elapsed) / this.#total) * WIDTH);
    const bar = '█'.repeat(filled) + '·'.repeat(WIDTH - filled);
    this.#clear();
    process.stderr.write(`[${bar}] ${what}`);
  }

  #clear(): void {
    if (!this.#isShown) return;
    cursorTo(process.stderr, 0);
    clearLine(process.stderr, 0);
  }
}
