// What the main thread tells a strategy whose thread has no event loop to spare: numbers in memory
// that both share. Reading one costs the strategy no more than reading a variable.

/** The index of each number. */
const enum Limit {
  IsStopping,
  /** The highest price to buy at, in cents. */
  HighestPrice,
}

export class Limits {
  readonly memory: SharedArrayBuffer;
  readonly #values: Int32Array;

  /** @param memory - of the limits of another thread; left out, new ones are made */
  constructor(memory = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#values = new Int32Array(memory);
  }

  get highestPrice(): number {
    return Atomics.load(this.#values, Limit.HighestPrice) / 100;
  }

  set highestPrice(price: number) {
    Atomics.store(this.#values, Limit.HighestPrice, Math.round(price * 100));
  }

  get isStopping(): boolean {
    return Atomics.load(this.#values, Limit.IsStopping) !== 0;
  }

  stop(): void {
    Atomics.store(this.#values, Limit.IsStopping, 1);
  }
}
