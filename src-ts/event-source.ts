// Takes what a channel holds, or waits in the event loop until there is something.

import { availableParallelism } from 'node:os';

import { type Batch, Result, type Write } from './batch';
import type { NativeReceiver } from './native';

/** What `take` is to do where nothing is there. */
const enum Otherwise {
  Return = 0,
  Arm = 1,
  Look = 2,
  ArmUnlessExpected = 3,
}

/** For so many milliseconds events are handed out before the rest of the event loop gets a turn. */
export const LONGEST_TICK = 1;

/**
 * How long in milliseconds the event loop stays awake for an event that is expected: an answer to what was
 * sent, or what comes behind another from a thread that spins. Waking it takes longer than all else that an
 * answer is made of; on one processor it would keep that from the thread.
 */
const AWAKE = 0.05;
const ifAsleep = availableParallelism() > 1 ? Otherwise.ArmUnlessExpected : Otherwise.Arm;

/**
 * Those that wait at present. Native code holds wake functions for as long as the channel lives;
 * were they to hold the channel's users, a client that was dropped would never be collected.
 */
const waiting = new Set<EventSource>();
/** How many look again in the next tick. */
let looking = 0;

/** Several that looked would keep each other waiting. */
function ifAwake(): Otherwise {
  return looking === 0 ? Otherwise.Look : Otherwise.Return;
}

/** The wake-up side of a channel. */
export class EventSource {
  readonly #native: NativeReceiver;
  readonly #take: Write;
  #awakeUntil = 0;
  #isLooking = false;
  #callback: (() => void) | undefined;
  #connected = false;
  readonly #lookAgain = (): void => {
    this.#isLooking = false;
    looking--;
    this.woken();
  };

  constructor(native: NativeReceiver) {
    this.#native = native;
    this.#take = native.bindTake();
  }

  /** Takes `max` events at most; returns 0 if there are none. */
  take(batch: Batch, max: number): number {
    return batch.fill(this.#take, max, Otherwise.Return);
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
    let isAwake = this.#awakeUntil > 0 && performance.now() < this.#awakeUntil;
    const result = batch.fill(this.#take, max, isAwake ? ifAwake() : ifAsleep);
    if (result === Result.Expected) {
      isAwake = true;
      this.#awakeUntil = performance.now() + AWAKE;
    } else {
      if (!isAwake) this.#awakeUntil = 0;
      if (result !== 0) return result;
    }
    this.#callback = callback;
    waiting.add(this);
    if (isAwake && !this.#isLooking) {
      this.#isLooking = true;
      looking++;
      setImmediate(this.#lookAgain);
    }
    return 0;
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
