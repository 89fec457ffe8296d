// Receives the events of a channel: one at a time, several, or by iteration.

import { integer, timeout } from './argument';
import { BATCH_CAPACITY, borrowBatch, Result, returnBatch } from './batch';
import type { Receiver } from './channel';
import { converting, S9WebSocketError } from './errors';
import { EventSource } from './event-source';
import { readEvent, type WebSocketEvent } from './events';
import type { NativeReceiver } from './native';

/** Events handed out without waiting before the event loop gets a turn. */
const EVENTS_A_TICK = 4096;
/** What a native wait takes at most, so that a worker can be terminated. */
const WAIT_SLICE = 50;

interface Waiter {
  resolve(event: WebSocketEvent): void;
  reject(error: S9WebSocketError): void;
}

export class EventReceiver implements Receiver<WebSocketEvent> {
  readonly #native: NativeReceiver;
  readonly #source: EventSource;
  /** Taken from the channel by an iteration and not yet handed out; the first is at `#head`. */
  #ahead: WebSocketEvent[] = [];
  #head = 0;
  readonly #waiters: Waiter[] = [];
  /** Others may receive too: nothing is taken ahead of its use. */
  #shared: boolean;
  #streak = 0;
  readonly #serve = (): void => this.#serveWaiters();

  constructor(native: NativeReceiver, shared: boolean) {
    this.#native = native;
    this.#source = new EventSource(native);
    this.#shared = shared;
  }

  recv(): Promise<WebSocketEvent> {
    const event = this.#available(1);
    if (event) return Promise.resolve(event);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (this.#waiters.length > 1) return;
      if (this.#streak < EVENTS_A_TICK) this.#serveWaiters();
      else setImmediate(this.#serve);
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
    const event = this.#next(1);
    if (event) return event;
    if (this.#native.disconnected()) throw disconnected();
    // Asking that may have taken an event that came in between: left here, it would be out of the
    // reach of other receivers.
    return this.#next(1);
  }

  drain(max?: number): WebSocketEvent[] {
    const limit = max === undefined ? this.length : integer('max', max, 1, Number.MAX_SAFE_INTEGER);
    const events = this.#ahead.slice(this.#head, this.#head + limit);
    this.#head += events.length;
    while (events.length < limit && this.#take(events, limit - events.length));
    return events;
  }

  get length(): number {
    return this.#ahead.length - this.#head + this.#native.length();
  }

  get handle(): bigint {
    this.#shared = true;
    return converting(() => this.#native.handle());
  }

  [Symbol.asyncIterator](): AsyncIterator<WebSocketEvent, undefined> {
    const end = { value: undefined, done: true } as const;
    let done = false;
    const yielded = (value: WebSocketEvent) => {
      done = value.type === 'quit';
      return { value, done: false } as const;
    };
    return {
      next: async () => {
        if (done) return end;
        const event = this.#available(this.#shared ? 1 : BATCH_CAPACITY);
        if (event) return yielded(event);
        try {
          return yielded(await this.recv());
        } catch (thrown) {
          if (!isDisconnected(thrown)) throw thrown;
          done = true;
          return end;
        }
      },
      return: async () => {
        done = true;
        return end;
      },
    };
  }

  /** The next event, if nobody waits for one already and the event loop is not due a turn. */
  #available(ahead: number): WebSocketEvent | undefined {
    if (this.#waiters.length > 0 || this.#streak >= EVENTS_A_TICK) return undefined;
    const event = this.#next(ahead);
    if (event) this.#streak++;
    return event;
  }

  #next(ahead: number): WebSocketEvent | undefined {
    if (this.#head === this.#ahead.length) {
      this.#ahead = [];
      this.#head = 0;
      if (!this.#take(this.#ahead, ahead)) return undefined;
    }
    return this.#ahead[this.#head++];
  }

  /** Takes `max` events at most; false if there was none. */
  #take(into: WebSocketEvent[], max: number): boolean {
    const batch = borrowBatch();
    try {
      const result = batch.take(this.#native, Math.min(max, BATCH_CAPACITY));
      const count = result & Result.CountMask;
      for (let index = 0; index < count; index++) {
        // With textFormat 'buffer' the user states the type.
        into.push(readEvent(batch, index, this.#native) as WebSocketEvent);
      }
      return count > 0;
    } finally {
      returnBatch(batch);
    }
  }

  #serveWaiters(): void {
    this.#streak = 0;
    while (this.#waiters.length > 0) {
      const event = this.#next(1);
      if (event) this.#waiters.shift()?.resolve(event);
      else if (this.#native.disconnected()) {
        for (const { reject } of this.#waiters.splice(0)) reject(disconnected());
      } else if (!this.#source.wait(this.#serve)) return;
    }
    this.#source.release();
  }
}

function disconnected(): S9WebSocketError {
  return new S9WebSocketError(
    'ERR_S9_CHANNEL_DISCONNECTED',
    'channel disconnected: the client has ended and all its events have been received',
  );
}

function isDisconnected(thrown: unknown): boolean {
  return thrown instanceof S9WebSocketError && thrown.code === 'ERR_S9_CHANNEL_DISCONNECTED';
}
