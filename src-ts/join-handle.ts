// The handle of a client's thread.

import { timeout } from './argument';
import type { NativeJoinHandle } from './native';

/** Tells when a client's thread has ended. */
export interface JoinHandle {
  /** Resolves when the thread has ended. */
  join(): Promise<void>;
  /** Blocks until the thread has ended, or for `timeout` milliseconds; tells whether it has. */
  joinSync(timeout?: number): boolean;
  /** The thread has ended. */
  readonly isFinished: boolean;
}

export class ThreadJoinHandle implements JoinHandle {
  readonly #native: NativeJoinHandle;
  #joined: Promise<void> | undefined;

  constructor(native: NativeJoinHandle) {
    this.#native = native;
  }

  join(): Promise<void> {
    this.#joined ??= new Promise(resolve => {
      if (this.#native.isFinished()) resolve();
      else {
        this.#native.onFinished(() => {
          this.#native.disarm();
          resolve();
        });
      }
    });
    return this.#joined;
  }

  joinSync(limit?: number): boolean {
    const deadline = performance.now() + timeout('timeout', limit);
    for (;;) {
      if (this.#native.wait(Math.max(0, Math.min(deadline - performance.now(), 50)))) return true;
      if (performance.now() >= deadline) return false;
    }
  }

  get isFinished(): boolean {
    return this.#native.isFinished();
  }
}
