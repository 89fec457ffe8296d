// Messages that are known beforehand by seed and number, so that one that is lost, doubled, displaced,
// cut or changed is seen on whichever side it arrives.

import { Random } from './random.mjs';

export type Sizes = keyof typeof SIZES;

const SIZES = {
  small: (random: Random) => random.between(0, 60),
  usual: (random: Random) =>
    random.oneIn(12)
      ? random.between(65_530, 70_000)
      : random.between(0, random.pick([8, 125, 126, 3_000])),
  bulk: (random: Random) => random.between(150_000, 250_000),
};

export interface Message {
  isBinary: boolean;
  data: Buffer;
}

/** The message of this number. */
export function numbered(seed: number, sizes: Sizes, number: number): Message {
  const random = new Random(seed, sizes, number);
  const isBinary = random.oneIn(2);
  const head = Buffer.from(`${number}:`);
  const body = Buffer.alloc(SIZES[sizes](random));
  if (isBinary) body.fill(random.bytes(24));
  else if (body.length > 0) body.fill(`${random.next()} größer 🌍 `);
  // The number at both ends: half a message is none.
  const text = isBinary ? body : Buffer.from(body.toString());
  return { isBinary, data: Buffer.concat([head, text, head]) };
}

/** What has come on one side of a connection. */
export class Ledger {
  readonly #seed: number;
  readonly #sizes: Sizes;
  /** Messages that were as and where they had to be. */
  received = 0;
  pings = 0;
  pongs = 0;
  /** The first thing that was not. */
  problem: string | undefined;

  constructor(seed: number, sizes: Sizes) {
    this.#seed = seed;
    this.#sizes = sizes;
  }

  message(data: Buffer, isBinary: boolean): void {
    const expected = numbered(this.#seed, this.#sizes, this.received);
    if (isBinary === expected.isBinary && data.equals(expected.data)) this.received++;
    else {
      const start = data.subarray(0, 12).toString('latin1');
      this.problem ??= `${data.length} bytes, ${start}…, for message ${this.received}`;
    }
  }

  /** Pings and pongs carry their number. */
  ping(data: Buffer): void {
    if (data.toString() !== String(this.pings++)) this.problem ??= `ping ${data} out of place`;
  }

  pong(data: Buffer): void {
    if (data.toString() !== String(this.pongs++)) this.problem ??= `pong ${data} out of place`;
  }
}
