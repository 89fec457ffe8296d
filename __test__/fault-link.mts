// One connection through the fault proxy: two directions, each with its damage.

import type { Socket } from 'node:net';
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';

import type { Damage, Fault } from './fault.mjs';
import { Random } from './random.mjs';

export class Link {
  hit = false;
  /** Both streams are over. */
  readonly over: Promise<void>;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #fault: Fault;
  readonly #lanes: readonly Lane[];
  #release!: () => void;
  /** Ends stalls that have no end of their own. */
  readonly released = new Promise<void>(resolve => {
    this.#release = resolve;
  });

  constructor(client: Socket, server: Socket, fault: Fault, seed: number) {
    this.#client = client;
    this.#server = server;
    this.#fault = fault;
    const random = new Random(seed, 'link');
    const { after = 0 } = fault;
    this.#lanes = [
      new Lane(this, server, client, fault.toClient, after, random),
      new Lane(this, client, server, fault.toServer, after, random),
    ];
    for (const socket of [client, server]) socket.setNoDelay(true).on('error', () => this.reset());
    const closed = [client, server].map(socket => new Promise(done => socket.once('close', done)));
    this.over = Promise.all(closed).then(() => {});
    for (const lane of this.#lanes) lane.start();
    this.reached('accept');
  }

  /** Arms the fault if this is what it waits for. */
  reached(event: Fault['at']): void {
    if (event === this.#fault.at) for (const lane of this.#lanes) lane.arm();
  }

  /** RST to both, by SO_LINGER 0. */
  reset(): void {
    this.release();
    for (const socket of [this.#client, this.#server]) {
      if (!socket.destroyed) socket.resetAndDestroy();
    }
  }

  release(): void {
    this.#release();
  }
}

class Lane {
  readonly #link: Link;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #damage: Damage | undefined;
  readonly #random: Random;
  /** Bytes that still pass once armed. */
  #left: number;
  #armed = false;
  #gathers = false;
  /** What happens once has happened. */
  #isDone = false;
  readonly #records = new RecordReader();

  constructor(
    link: Link,
    from: Socket,
    to: Socket,
    damage: Damage | undefined,
    after: number,
    random: Random,
  ) {
    this.#link = link;
    this.#from = from;
    this.#to = to;
    this.#damage = damage;
    this.#left = after;
    this.#random = random;
  }

  arm(): void {
    if (!this.#damage || this.#armed) return;
    this.#armed = true;
    if (this.#left === 0) this.#strike();
  }

  /** Passes on what comes, piece by piece; the end too. */
  start(): void {
    let taken = Promise.resolve();
    this.#from.on('data', (chunk: Buffer) => {
      if (this.#gathers) return;
      this.#from.pause();
      taken = taken.then(() => this.#take(chunk)).then(() => void this.#from.resume());
    });
    // The end of a stream that is paused is told all the same.
    this.#from.on('end', () => void taken.then(() => this.#to.end()));
  }

  async #take(chunk: Buffer): Promise<void> {
    const whole = this.#armed ? Math.min(this.#left, chunk.length) : chunk.length;
    this.#records.push(chunk.subarray(0, whole));
    if (whole > 0) await this.#write(chunk.subarray(0, whole));
    if (!this.#armed) return;
    if (this.#left > 0) {
      this.#left -= whole;
      if (this.#left === 0) this.#strike();
    }
    if (whole < chunk.length) await this.#harm(chunk.subarray(whole));
  }

  /** What happens at the place of the fault itself. */
  #strike(): void {
    const kind = this.#damage?.kind;
    // The others take place with the bytes that follow.
    if (kind === 'end') this.#to.end();
    else if (kind === 'reset') this.#link.reset();
    else if (kind !== 'stall') return;
    this.#link.hit = true;
  }

  async #harm(chunk: Buffer): Promise<void> {
    const damage = this.#damage as Damage;
    this.#link.hit = true;
    switch (damage.kind) {
      case 'delay':
        await delay(this.#random.between(0, damage.most));
        return this.#write(chunk);
      case 'chop':
        for (const byte of chunk) {
          await this.#write(Buffer.of(byte));
          await immediate();
        }
        return;
      case 'coalesce': {
        await delay(damage.time);
        // Is told to the listener too.
        this.#gathers = true;
        const more = this.#from.read() as Buffer | null;
        this.#gathers = false;
        return this.#write(more ? Buffer.concat([chunk, more]) : chunk);
      }
      case 'stall':
        if (!this.#isDone) {
          this.#isDone = true;
          const time = damage.time === undefined ? [] : [delay(damage.time)];
          await Promise.race([this.#link.released, ...time]);
        }
        return this.#write(chunk);
      case 'corrupt':
        this.#corrupt(chunk);
        return this.#write(chunk);
      case 'swallow':
      case 'end':
      case 'reset':
        return;
    }
  }

  /** Turns over a bit of the first record body in here, once. */
  #corrupt(chunk: Buffer): void {
    const at = this.#isDone ? undefined : this.#records.push(chunk);
    if (at === undefined) return;
    this.#isDone = true;
    chunk[at] = (chunk[at] as number) ^ (1 << this.#random.between(0, 7));
  }

  /** Until the kernel has taken it, so that back-pressure reaches the other side. */
  #write(bytes: Buffer): Promise<void> {
    return new Promise(resolve => {
      if (!this.#to.writable) return resolve();
      this.#to.write(bytes, () => resolve());
    });
  }
}

/** Follows the records of TLS (RFC 8446, section 5.1). */
class RecordReader {
  #header: number[] = [];
  #body = 0;

  /** Where in these bytes the first byte of a body is. */
  push(bytes: Buffer): number | undefined {
    let body: number | undefined;
    for (let at = 0; at < bytes.length; ) {
      if (this.#body > 0) {
        body ??= at;
        const count = Math.min(this.#body, bytes.length - at);
        this.#body -= count;
        at += count;
      } else if (this.#header.push(bytes[at++] as number) === 5) {
        this.#body = ((this.#header[3] as number) << 8) | (this.#header[4] as number);
        this.#header = [];
      }
    }
    return body;
  }
}
