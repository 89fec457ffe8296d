// Receives the events of a channel: one at a time, several, or by iteration.

import { integer, timeout } from './argument';
import { BATCH_CAPACITY, type Batch, borrowBatch, Result, returnBatch } from './batch';
import { converting, S9WebSocketError } from './errors';
import { EventSource, LONGEST_TICK } from './event-source';
import { readEvent, type WebSocketEvent } from './events';
import type { NativeReceiver } from './native';

/** How many events lie between two looks at the clock, which takes as long as half a short event. */
const EVENTS_A_LOOK = 16;
/** What a native wait takes at most, so that a worker can be terminated. */
const WAIT_SLICE = 50;
/** What an iteration that is over yields. */
const END = { value: undefined, done: true } as const;

type Iterated = IteratorResult<WebSocketEvent, undefined>;

/** Someone who waits for an event. */
interface Waiter {
  /** Events that may be taken from the channel for it and those after it. */
  ahead: number;
  resolve(event: WebSocketEvent): void;
  /** The event was there and could not be read. */
  reject(thrown: unknown): void;
  /** No event can come any more. */
  disconnect(): void;
}

/** A `Receiver` of the channel's, which hands it out as one. */
export class EventReceiver {
  readonly #native: NativeReceiver;
  readonly #source: EventSource;
  /** What was taken from the channel and is still to be handed out, from `#index` up to `#count`. */
  #batch: Batch | undefined;
  #index = 0;
  #count = 0;
  readonly #waiters: Waiter[] = [];
  /** Others may receive too: nothing is taken ahead of its use. */
  #shared: boolean;
  /** Events handed out since the event loop had its last turn. */
  #streak = 0;
  #tickEnds = 0;
  readonly #serve = (): void => {
    this.#streak = 0;
    this.#tickEnds = performance.now() + LONGEST_TICK;
    this.#serveWaiters();
  };

  constructor(native: NativeReceiver, shared: boolean) {
    this.#native = native;
    this.#source = new EventSource(native);
    this.#shared = shared;
  }

  recv(): Promise<WebSocketEvent> {
    try {
      const event = this.#received();
      if (event) return Promise.resolve(event);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    return new Promise((resolve, reject) => {
      this.#wait({ ahead: 1, resolve, reject, disconnect: () => reject(disconnected()) });
    });
  }

  recvSync(limit?: number): WebSocketEvent | undefined {
    const deadline = performance.now() + timeout('timeout', limit);
    for (;;) {
      const event = this.tryRecv();
      if (event) return event;
      const left = deadline - performance.now();
      if (left <= 0) return undefined;
      this.#native.wait(Math.min(left, WAIT_SLICE));
    }
  }

  tryRecv(): WebSocketEvent | undefined {
    if (!this.#batch && this.#take(1) & Result.Over) throw disconnected();
    return this.#held();
  }

  drain(max?: number): WebSocketEvent[] {
    const limit = max === undefined ? this.length : integer('max', max, 1, Number.MAX_SAFE_INTEGER);
    const events: WebSocketEvent[] = [];
    while (events.length < limit) {
      const batch = this.#batch;
      if (batch) {
        try {
          events.push(this.#read(batch));
        } catch (thrown) {
          // Those before it would be lost: it is the first of the next call.
          if (events.length > 0) break;
          this.#advance(batch);
          throw thrown;
        }
        this.#advance(batch);
      } else if ((this.#take(limit - events.length) & Result.CountMask) === 0) break;
    }
    return events;
  }

  get length(): number {
    return (this.#batch ? this.#count - this.#index : 0) + this.#native.length();
  }

  get handle(): bigint {
    this.#shared = true;
    return converting(() => this.#native.handle());
  }

  [Symbol.asyncIterator](): AsyncIterator<WebSocketEvent, undefined> {
    let done = false;
    const yielded = (value: WebSocketEvent): Iterated => {
      if (value.type === 'quit') done = true;
      return { value, done: false };
    };
    const ended = (): Iterated => {
      done = true;
      return END;
    };
    return {
      // Not async functions: these would make a promise more for each event.
      next: () => {
        if (done) return Promise.resolve(END);
        try {
          const event = this.#received();
          if (event) return Promise.resolve(yielded(event));
        } catch (thrown) {
          return Promise.reject(thrown);
        }
        return new Promise((resolve, reject) => {
          this.#wait({
            ahead: this.#shared ? 1 : BATCH_CAPACITY,
            resolve: event => resolve(yielded(event)),
            reject,
            disconnect: () => resolve(ended()),
          });
        });
      },
      return: () => Promise.resolve(ended()),
    };
  }

  /** An event taken before, if nobody waits for one already and the event loop is not due a turn. */
  #received(): WebSocketEvent | undefined {
    if (!this.#batch || this.#waiters.length > 0 || this.#isTickOver()) return undefined;
    this.#streak++;
    return this.#held();
  }

  #isTickOver(): boolean {
    return (
      this.#streak % EVENTS_A_LOOK === 0 && this.#streak > 0 && performance.now() >= this.#tickEnds
    );
  }

  /** The next of the events taken before; one that cannot be read is passed over. */
  #held(): WebSocketEvent | undefined {
    const batch = this.#batch;
    if (!batch) return undefined;
    try {
      return this.#read(batch);
    } finally {
      this.#advance(batch);
    }
  }

  #read(batch: Batch): WebSocketEvent {
    // Read only now: what is made and dropped at once never leaves the young generation. With
    // textFormat 'buffer' the user states the type.
    return readEvent(batch, this.#index, this.#native) as WebSocketEvent;
  }

  #advance(batch: Batch): void {
    if (++this.#index < this.#count) return;
    this.#batch = undefined;
    returnBatch(batch);
  }

  /** Takes `max` events at most, where none are held. */
  #take(max: number): number {
    const batch = borrowBatch(false);
    return this.#hold(batch, this.#source.take(batch, Math.min(max, BATCH_CAPACITY)));
  }

  #hold(batch: Batch, result: number): number {
    this.#count = result & Result.CountMask;
    this.#index = 0;
    if (this.#count > 0) this.#batch = batch;
    else returnBatch(batch);
    return result;
  }

  #wait(waiter: Waiter): void {
    this.#waiters.push(waiter);
    if (this.#waiters.length > 1) return;
    if (this.#isTickOver()) setImmediate(this.#serve);
    else this.#serveWaiters();
  }

  #serveWaiters(): void {
    for (let waiter = this.#waiters[0]; waiter; waiter = this.#waiters[0]) {
      let event: WebSocketEvent | undefined;
      try {
        if (!this.#batch) {
          const batch = borrowBatch(false);
          const result = this.#source.takeOrWait(batch, waiter.ahead, this.#serve);
          this.#hold(batch, result);
          if (result === 0) return;
        }
        event = this.#held();
      } catch (thrown) {
        this.#waiters.shift();
        waiter.reject(thrown);
        continue;
      }
      if (event) {
        this.#waiters.shift();
        this.#streak++;
        waiter.resolve(event);
      } else for (const { disconnect } of this.#waiters.splice(0)) disconnect();
    }
  }
}

function disconnected(): S9WebSocketError {
  return new S9WebSocketError(
    'ERR_S9_CHANNEL_DISCONNECTED',
    'channel disconnected: the client has ended and all its events have been received',
  );
}
