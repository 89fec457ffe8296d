// Numbers that look random and come again with the same seed.

/** What the tests with seeds begin from; `S9_SEED=7 npm test -- ava` tries another. */
export const SEED = Number(process.env.S9_SEED ?? 1);

/** A generator by Tommy Ettinger, mulberry32: 32 bits of state are plenty for tests. */
export class Random {
  #state: number;

  /** Each combination of numbers and names is a sequence of its own. */
  constructor(...seed: ReadonlyArray<number | string>) {
    let state = 0x811c9dc5;
    for (const character of seed.join('\n')) {
      state = Math.imul(state ^ (character.codePointAt(0) as number), 0x01000193);
    }
    this.#state = state;
  }

  /** From 0 to 2³² - 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** From `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + (this.next() % (most - least + 1));
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.next() % times === 0;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.next() % choices.length] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Uint8Array.from({ length }, () => this.next()));
  }
}
