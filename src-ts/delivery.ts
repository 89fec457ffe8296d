// Hands the events of batches to a handler, in order, and keeps the first thing it throws.
// Knows no loop.

import { type Batch, Field, isMessage, Kind, Result } from './batch';
import type { ClientCore } from './client-core';
import { clockOffset } from './clock';
import { fromNative, fromThrown } from './errors';
import type { AnyHandler, S9WebSocketClientHandler } from './handler';
import type { NativeError } from './native';

/** Where the error of a batch is fetched: the client itself, or its thread's channel. */
export interface ErrorSource {
  takeError(): NativeError | null;
}

/** The delivery of one run's events. */
export class Delivery<C> {
  readonly #core: ClientCore;
  readonly #client: C;
  readonly #handler: S9WebSocketClientHandler<C, string | Buffer>;
  #thrown: { readonly value: unknown } | undefined;

  constructor(core: ClientCore, client: C, handler: AnyHandler<C>) {
    this.#core = core;
    this.#client = client;
    this.#handler = handler as S9WebSocketClientHandler<C, string | Buffer>;
  }

  /** The handler wants to hear of every turn. */
  get wantsTurns(): boolean {
    return this.#handler.onPoll !== undefined || this.#handler.onIdle !== undefined;
  }

  poll(): void {
    if (this.#handler.onPoll === undefined || !this.#isRunning) return;
    this.#guarded(() => this.#handler.onPoll?.(this.#client));
  }

  idle(): void {
    if (this.#handler.onIdle === undefined || !this.#isRunning) return;
    this.#guarded(() => this.#handler.onIdle?.(this.#client));
  }

  /** Delivers a batch. */
  deliver(batch: Batch, result: number, errors: ErrorSource): void {
    const count = result & Result.CountMask;
    if (count === 0) return;
    // Not by way of #guarded: a closure less a batch.
    try {
      this.#dispatch(batch, count, result, errors);
    } catch (value) {
      this.#failed(value);
    }
    if (this.#core.disposed) this.quit();
    if (!this.#core.skipping || this.#core.ended) return;
    // The batch was cut short; `quit` may have been its last event.
    if (batch.descriptors[(count - 1) * Field.Count] === Kind.Quit) this.quit();
  }

  /** Delivers `quit`, unless that was done. */
  quit(): void {
    if (this.#core.ended) return;
    this.#core.ended = true;
    this.#core.backlog = 0;
    // A thread lets go of the socket only after its last event: nobody is to see it half gone.
    this.#core.native.dispose();
    this.#guarded(() => this.#handler.onQuit?.(this.#client));
  }

  /** The loop itself failed: `quit` is owed all the same. */
  fail(value: unknown): void {
    this.#thrown ??= { value: fromThrown(value) };
    this.quit();
  }

  /** Throws what was thrown first, if anything was. */
  rethrow(): void {
    if (this.#thrown) throw this.#thrown.value;
  }

  /** Settles the promise of a run that is over. */
  settle(resolve: () => void, reject: (thrown: unknown) => void): void {
    if (this.#thrown) reject(this.#thrown.value);
    else resolve();
  }

  /** Between `activated`, before which nothing comes, and whatever cuts the delivery short. */
  get #isRunning(): boolean {
    return this.#core.activated && !this.#core.skipping && !this.#core.ended;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (value) {
      this.#failed(value);
    }
    if (this.#core.disposed) this.quit();
  }

  #failed(value: unknown): void {
    this.#thrown ??= { value };
    this.#core.skipping = true;
    if (!this.#core.ended) this.#core.native.abandon();
  }

  #dispatch(batch: Batch, count: number, result: number, errors: ErrorSource): void {
    const core = this.#core;
    const client = this.#client;
    const handler = this.#handler;
    const { descriptors, times } = batch;
    let backlog = messagesIn(descriptors, count) + (result & Result.More ? 1 : 0);
    for (let index = 0; index < count && !core.skipping; index++) {
      const at = index * Field.Count;
      const start = descriptors[at + Field.Offset] as number;
      const end = start + (descriptors[at + Field.Length] as number);
      core.receivedAt = (times[index] as number) + clockOffset;
      const kind = descriptors[at] as Kind;
      if (isMessage(kind)) backlog--;
      core.backlog = backlog;
      switch (kind) {
        case Kind.TextAscii:
          handler.onTextMessage?.(client, batch.ascii(index, start, end));
          break;
        case Kind.Binary:
          handler.onBinaryMessage?.(client, batch.view(start, end));
          break;
        case Kind.TextUtf16:
          handler.onTextMessage?.(client, batch.utf16(index, start, end));
          break;
        case Kind.TextUtf8:
          handler.onTextMessage?.(client, batch.utf8(start, end));
          break;
        case Kind.TextAsBytes:
          handler.onTextMessage?.(client, batch.view(start, end));
          break;
        case Kind.Ping:
          handler.onPing?.(client, batch.view(start, end));
          break;
        case Kind.Pong:
          handler.onPong?.(client, batch.view(start, end));
          break;
        case Kind.Activated:
          core.activated = true;
          handler.onActivated?.(client);
          break;
        case Kind.ConnectionClosed: {
          core.endIsKnown = true;
          const reason = end > start ? batch.utf8(start, end) : null;
          handler.onConnectionClosed?.(client, reason, descriptors[at + Field.Code] as number);
          break;
        }
        case Kind.Error:
          core.endIsKnown = true;
          handler.onError?.(client, fromNative(errors.takeError()));
          break;
        case Kind.Quit:
          this.quit();
      }
    }
  }
}

/** Pings and pongs among them would have someone wait for a message that does not come. */
function messagesIn(descriptors: Uint32Array, count: number): number {
  let messages = 0;
  for (let at = 0; at < count * Field.Count; at += Field.Count) {
    if (isMessage(descriptors[at] as Kind)) messages++;
  }
  return messages;
}
