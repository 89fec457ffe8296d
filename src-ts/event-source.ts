// Waits in the event loop for a channel's next event. Takes none.

import type { NativeReceiver } from './native';

/**
 * Those that wait at present. Native code holds wake functions for as long as the channel lives;
 * were they to hold the channel's users, a client that was dropped would never be collected.
 */
const waiting = new Set<EventSource>();

/** The wake-up side of a channel. */
export class EventSource {
  readonly #native: NativeReceiver;
  #callback: (() => void) | undefined;
  #connected = false;

  constructor(native: NativeReceiver) {
    this.#native = native;
  }

  /** True: there is something to take, or the channel is disconnected; false: calls back once. */
  wait(callback: () => void): boolean {
    if (!this.#connected) {
      this.#connected = true;
      const weak = new WeakRef(this);
      this.#native.setWake(() => weak.deref()?.woken());
    }
    if (this.#native.arm()) return true;
    this.#callback = callback;
    waiting.add(this);
    return false;
  }

  /** Waits no more; true if it waited. */
  cancel(): boolean {
    return this.#stop() !== undefined;
  }

  /** Lets the event loop end, which each wait keeps from that, also when it is over. */
  release(): void {
    this.#stop();
    this.#native.disarm();
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
