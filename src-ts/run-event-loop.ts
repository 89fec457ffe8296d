// The loop inside Node's event loop: a few turns a tick, everything else goes on living.

import { AsyncResource } from 'node:async_hooks';

import type { ClientCore } from './client-core';
import type { Delivery } from './delivery';
import { forgetReadiness, newKey, stopWaiting, whenReady } from './readiness';
import { turn } from './run-sync';

/** The longest delay that Node's timers take. */
const MAX_TIMEOUT = 2 ** 31 - 1;
/**
 * Between two ticks of Node's lie 1.8 µs, as long as four turns that bring nothing, during which nothing is
 * seen to arrive. With eight a tick that is a third of the time in place of four fifths, and everything else
 * in the event loop waits some 3 µs longer.
 */
const IDLE_TURNS_A_TICK = 8;

/** Runs that spin in this event loop: two of them must not keep each other waiting. */
let spinning = 0;

/** Resolves once `quit` has been delivered; rejects with what the handler threw. */
export function runOnEventLoop(core: ClientCore, delivery: Delivery<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    core.begin(false);
    new EventLoopRun(core, delivery, () => {
      core.release();
      delivery.settle(resolve, reject);
    }).start();
  });
}

class EventLoopRun {
  readonly #core: ClientCore;
  readonly #delivery: Delivery<unknown>;
  readonly #finished: () => void;
  /** Fixed for the life of a client; the wait itself may get shorter while it is closing. */
  readonly #spins: boolean;
  readonly #tick = (): void => this.#turn();
  /** Bound: what wakes a run comes from another async context, or from none. A tick hands its own on. */
  readonly #resume = AsyncResource.bind((): void => {
    this.#stopWaiting();
    this.#turn();
  });
  /** The key under which readiness is watched. */
  readonly #key = newKey();
  #waiting = false;
  #timer: NodeJS.Timeout | undefined;
  #delay = 0;

  constructor(core: ClientCore, delivery: Delivery<unknown>, finished: () => void) {
    this.#core = core;
    this.#delivery = delivery;
    this.#finished = finished;
    this.#spins = core.native.spins();
  }

  start(): void {
    if (this.#spins) spinning++;
    setImmediate(this.#tick);
  }

  #turn(): void {
    try {
      if (this.#core.disposed) this.#delivery.quit();
      const idle = !this.#core.ended && turn(this.#core, this.#delivery, this.#most());
      if (!this.#core.ended) {
        if (idle && !this.#spins && !this.#core.skipping) this.#wait();
        else setImmediate(this.#tick);
        return;
      }
    } catch (value) {
      this.#delivery.fail(value);
    }
    clearTimeout(this.#timer);
    forgetReadiness(this.#key);
    if (this.#spins) spinning--;
    this.#finished();
  }

  /** How many turns a tick makes at most: the first that brings something is the last. */
  #most(): number {
    return this.#spins && spinning === 1 && !this.#delivery.wantsTurns ? IDLE_TURNS_A_TICK : 1;
  }

  /** Until the socket is ready, the time is over, or the client is told something. */
  #wait(): void {
    // Nobody can tell an idle turn from none, unless the handler asks for them.
    const longest = this.#core.native.longestWait(this.#delivery.wantsTurns);
    const delay = Math.min(longest ?? MAX_TIMEOUT, MAX_TIMEOUT);
    this.#waiting = true;
    whenReady(this.#key, this.#core.native, this.#resume);
    this.#core.wake = () => {
      this.#stopWaiting();
      setImmediate(this.#resume);
    };
    // A timer is made once and refreshed: making one costs more than a turn.
    if (this.#timer && this.#delay === delay) this.#timer.refresh();
    else {
      clearTimeout(this.#timer);
      this.#delay = delay;
      this.#timer = setTimeout(() => {
        if (this.#waiting) this.#resume();
      }, delay);
    }
  }

  #stopWaiting(): void {
    stopWaiting(this.#key);
    this.#waiting = false;
    this.#core.wake = undefined;
  }
}
