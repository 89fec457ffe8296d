// Sends in order, no faster than the peer takes it.

import type { Outgoing } from './command';
import type { Peer } from './peer';

/** Bytes that may wait for the peer before more is sent. */
const FULL = 1 << 20;
/** Milliseconds between looks at what is still to be sent. */
const LOOK_AGAIN = 2;

export class Outbox {
  readonly #peer: Peer;
  /** Those before have been sent, or have failed. */
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #isShut = false;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  /** Sends at once if there is room, else behind those that wait: then resolves once it is sent. */
  send(message: Outgoing): Promise<void> | undefined {
    if (this.#waiting === 0 && this.#peer.bufferedAmount <= FULL) {
      if (!this.#isShut) this.#peer.send(message);
      return undefined;
    }
    this.#waiting++;
    const sent = this.#last.then(async () => {
      await this.#fallen(FULL);
      this.#waiting--;
      if (!this.#isShut) this.#peer.send(message);
    });
    this.#last = sent.catch(() => {});
    return sent;
  }

  /** Resolves once the kernel has taken everything. */
  async drained(): Promise<void> {
    await this.#last;
    await this.#fallen(0);
  }

  /** Sends no more: the connection is closing, or gone. */
  shut(): void {
    this.#isShut = true;
  }

  async #fallen(bytes: number): Promise<void> {
    while (!this.#isShut && this.#peer.bufferedAmount > bytes) {
      await new Promise(resolve => setTimeout(resolve, LOOK_AGAIN));
    }
  }
}
