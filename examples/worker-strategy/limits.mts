// What the main thread tells a strategy whose thread has no event loop to spare: numbers in memory
// that both share. Reading one costs the strategy no more than reading a variable.

/** The index of each number; prices are in cents. */
const INDEX = { isStopping: 0, highestPrice: 1 } as const;

export class Limits {
  readonly memory: SharedArrayBuffer;
  readonly #values: Int32Array;

  /** @param memory - of the limits of another thread; left out, new ones are made */
  constructor(
    memory = new SharedArrayBuffer(Object.keys(INDEX).length * Int32Array.BYTES_PER_ELEMENT),
  ) {
    this.memory = memory;
    this.#values = new Int32Array(memory);
  }

  get highestPrice(): number {
    return Atomics.load(this.#values, INDEX.highestPrice) / 100;
  }

  set highestPrice(price: number) {
    Atomics.store(this.#values, INDEX.highestPrice, Math.round(price * 100));
  }

  get isStopping(): boolean {
    return Atomics.load(this.#values, INDEX.isStopping) !== 0;
  }

  stop(): void {
    Atomics.store(this.#values, INDEX.isStopping, 1);
  }
}
