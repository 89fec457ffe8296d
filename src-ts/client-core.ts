// The state that a client shares with the loop that runs it.

import type { Write } from './batch';
import { fromThrown, S9WebSocketError } from './errors';
import type { NativeClient } from './native';

/** With which codes a send says that the connection has ended. */
const ENDS: ReadonlySet<string> = new Set(['ERR_S9_CONNECTION_CLOSED', 'ERR_S9_IO']);

/** A native client and where its run stands. */
export class ClientCore {
  /** @internal */
  readonly native: NativeClient;
  /** The memory of what a callback was given is written again once that has returned. */
  readonly reusesBuffers: boolean;
  /** When the bytes of the message being delivered were read. */
  receivedAt = 0;
  /** Messages read and still to be delivered after the present one. */
  backlog = 0;
  /** Nothing but `quit` is delivered any more: `forceQuit()`, disposal, or a handler threw. */
  skipping = false;
  /** `activated` has been delivered. */
  activated = false;
  /** `quit` has been delivered. */
  ended = false;
  disposed = false;
  /** A run or a poll goes on: `quit` is its to deliver. */
  running = false;
  /** `close()` was called, or the end has been delivered: from now on sends throw for it. */
  endIsKnown = false;
  /** While a loop on this thread runs over a blocking socket: sends block. */
  #blocks = false;
  /** While a run waits in the event loop: makes it go on, not from inside this call. */
  wake: (() => void) | undefined;

  // Functions bound to the client, made when first used.
  #turn: Write | undefined;
  #begin: ((blocking: number) => number) | undefined;
  #release: (() => number) | undefined;

  /** @internal */
  constructor(native: NativeClient) {
    this.native = native;
    this.reusesBuffers = native.reusesBuffers();
  }

  /** Makes turns of the connection: until something comes, as many as the first number says at most. */
  get turn(): Write {
    this.#turn ??= this.native.bindTurn();
    return this.#turn;
  }

  /** Claims the connection for a loop on this thread, for as long as `work` runs. */
  claimed<T>(blocking: boolean, work: () => T): T {
    this.#blocks = this.begin(blocking);
    try {
      return work();
    } finally {
      this.#blocks = false;
      this.release();
    }
  }

  /** Claims the connection; whether sends block until it is released. */
  begin(blocking: boolean): boolean {
    this.#begin ??= this.native.bindBegin();
    try {
      const blocks = this.#begin(blocking ? 1 : 0) !== 0;
      this.running = true;
      return blocks;
    } catch (thrown) {
      throw fromThrown(thrown);
    }
  }

  /** Gives the claim back. */
  release(): void {
    this.running = false;
    this.#release ??= this.native.bindRelease();
    this.#release();
  }

  /** To be called after a send of which bytes may be left in the queue: a turn flushes them, or blocking. */
  sent(): void {
    // Comes back from native code now and then, so that a worker can be terminated.
    if (this.#blocks) while (this.native.keepWriting());
    else if (this.wake && this.native.bufferedAmount() > 0) this.wake();
  }

  /**
   * To be called with what a send threw. Of an end that the user cannot know yet, its own event tells:
   * what is sent until then is lost like the bytes in flight, and a handler is not ended for it.
   */
  refused(thrown: unknown): void {
    const isKnown = this.endIsKnown || this.skipping || this.ended;
    if (isKnown || !(thrown instanceof S9WebSocketError) || !ENDS.has(thrown.code)) throw thrown;
    // The turn that tells of it need not wait until the socket does.
    this.wake?.();
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    this.skipping = true;
    this.native.dispose();
    this.wake?.();
  }
}
