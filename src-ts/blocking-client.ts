// The client with a blocking socket.

import { CallbackClient } from './callback-client';
import type { ClientCore } from './client-core';
import { connect, connectSync } from './connecting';
import type { AnyHandler, S9WebSocketClientHandler } from './handler';
import type { RequestHeaders } from './headers';
import type { BlockingOptions, BlockingOptionsInit } from './options';

/** The client that sleeps in its reads: callbacks, without a core spinning. */
export class S9BlockingWebSocketClient extends CallbackClient {
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
    options?: BlockingOptions | BlockingOptionsInit,
  ): Promise<S9BlockingWebSocketClient> {
    return new S9BlockingWebSocketClient(await connect('blocking', url, options));
  }

  /** Connects and blocks the thread until that is done, `connectTimeout` at most. */
  static connectSync(
    url: string | URL,
    options?: BlockingOptions | BlockingOptionsInit,
  ): S9BlockingWebSocketClient {
    return new S9BlockingWebSocketClient(connectSync('blocking', url, options));
  }

  /** As `connect`, with header fields that take the place of the options' of the same names. */
  static async connectWithHeaders(
    url: string | URL,
    headers: RequestHeaders,
    options?: BlockingOptions | BlockingOptionsInit,
  ): Promise<S9BlockingWebSocketClient> {
    return new S9BlockingWebSocketClient(await connect('blocking', url, options, headers));
  }

  /** As `connectSync`, with header fields as `connectWithHeaders` takes them. */
  static connectWithHeadersSync(
    url: string | URL,
    headers: RequestHeaders,
    options?: BlockingOptions | BlockingOptionsInit,
  ): S9BlockingWebSocketClient {
    return new S9BlockingWebSocketClient(connectSync('blocking', url, options, headers));
  }

  /**
   * Runs on a Rust thread until the connection has ended; a blocking read never stops Node.
   *
   * Callbacks have the `AsyncLocalStorage` context of this call. Resolves after `onQuit`; rejects with
   * what a callback throws.
   */
  run(handler: S9WebSocketClientHandler<this>): Promise<void>;
  run(handler: S9WebSocketClientHandler<this, Buffer>): Promise<void>;
  async run(handler: AnyHandler<this>): Promise<void> {
    await this.runIn('background-thread', handler);
  }
}
