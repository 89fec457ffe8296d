// Takes what a channel holds, or waits in the event loop until there is something.

import type { Batch, Write } from './batch';
import type { NativeReceiver } from './native';

/**
 * Those that wait at present. Native code holds wake functions for as long as the channel lives;
 * were they to hold the channel's users, a client that was dropped would never be collected.
 */
const waiting = new Set<EventSource>();

/** The wake-up side of a channel. */
export class EventSource {
  readonly #native: NativeReceiver;
  readonly #take: Write;
  #callback: (() => void) | undefined;
  #connected = false;

  constructor(native: NativeReceiver) {
    this.#native = native;
    this.#take = native.bindTake();
  }

  /** Takes `max` events at most; returns 0 if there are none. */
  take(batch: Batch, max: number): number {
    return batch.fill(this.#take, max, 0);
  }

  /**
   * Takes `max` events at most. Returns 0 if there are none yet: then it calls back once, and keeps
   * the event loop alive until then.
   */
  takeOrWait(batch: Batch, max: number, callback: () => void): number {
    if (!this.#connected) {
      this.#connected = true;
      const weak = new WeakRef(this);
      this.#native.setWake(() => weak.deref()?.woken());
    }
    const result = batch.fill(this.#take, max, 1);
    if (result === 0) {
      this.#callback = callback;
      waiting.add(this);
    }
    return result;
  }

  /** Waits no more; true if it waited. */
  cancel(): boolean {
    const waited = this.#stop() !== undefined;
    this.#native.disarm();
    return waited;
  }

  #stop(): (() => void) | undefined {
    const callback = this.#callback;
    this.#callback = undefined;
    waiting.delete(this);
    return callback;
  }

  private woken(): void {
    this.#stop()?.();
  }
}
