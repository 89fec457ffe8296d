// The client with a non-blocking socket whose loop runs on your thread, or on a Rust thread.

import { CallbackClient } from './callback-client';
import type { ClientCore } from './client-core';
import { connect, connectSync } from './connecting';
import { invalid } from './errors';
import type { AnyHandler, S9WebSocketClientHandler } from './handler';
import type { RequestHeaders } from './headers';
import type { NonBlockingOptions, NonBlockingOptionsInit } from './options';

/** Where `run` runs. */
export interface RunOptions {
  /**
   * Default `'event-loop'`: a few turns a tick, everything else in Node goes on living.
   *
   * `'background-thread'` reads and answers pings on a Rust thread even while JavaScript is busy, at
   * the price of a change of threads a message.
   */
  on?: 'event-loop' | 'background-thread';
}

/** The client of the lowest latency: callbacks, on your thread. */
export class S9NonBlockingWebSocketClient extends CallbackClient {
  private constructor(core: ClientCore) {
    super(core);
  }

  /**
   * Connects.
   *
   * @throws S9WebSocketError - rejects with it, or with the reason of `signal`
   */
  static async connect(
    url: string | URL,
    options?: NonBlockingOptions | NonBlockingOptionsInit,
  ): Promise<S9NonBlockingWebSocketClient> {
    return new S9NonBlockingWebSocketClient(await connect('nonBlocking', url, options));
  }

  /** Connects and blocks the thread until that is done, `connectTimeout` at most. */
  static connectSync(
    url: string | URL,
    options?: NonBlockingOptions | NonBlockingOptionsInit,
  ): S9NonBlockingWebSocketClient {
    return new S9NonBlockingWebSocketClient(connectSync('nonBlocking', url, options));
  }

  /** As `connect`, with header fields that take the place of the options' of the same names. */
  static async connectWithHeaders(
    url: string | URL,
    headers: RequestHeaders,
    options?: NonBlockingOptions | NonBlockingOptionsInit,
  ): Promise<S9NonBlockingWebSocketClient> {
    return new S9NonBlockingWebSocketClient(await connect('nonBlocking', url, options, headers));
  }

  /** As `connectSync`, with header fields as `connectWithHeaders` takes them. */
  static connectWithHeadersSync(
    url: string | URL,
    headers: RequestHeaders,
    options?: NonBlockingOptions | NonBlockingOptionsInit,
  ): S9NonBlockingWebSocketClient {
    return new S9NonBlockingWebSocketClient(connectSync('nonBlocking', url, options, headers));
  }

  /**
   * Runs until the connection has ended, in Node's event loop or on a Rust thread.
   *
   * In the event loop it spins one core unless `spinWaitDuration` is set. Callbacks have the
   * `AsyncLocalStorage` context of this call. Resolves after `onQuit`; rejects with what a callback
   * throws.
   */
  run(handler: S9WebSocketClientHandler<this>, how?: RunOptions): Promise<void>;
  run(handler: S9WebSocketClientHandler<this, Buffer>, how?: RunOptions): Promise<void>;
  async run(handler: AnyHandler<this>, how: RunOptions = {}): Promise<void> {
    if (typeof how !== 'object' || how === null) throw invalid('how', how, 'an object');
    const { on = 'event-loop' } = how;
    if (on !== 'event-loop' && on !== 'background-thread') {
      throw invalid('on', on, "'event-loop' or 'background-thread'");
    }
    await this.runIn(on, handler);
  }
}
