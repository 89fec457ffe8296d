// The client whose loop is on a Rust thread and whose events come over a channel.

import { ControlSender, type Receiver, type Sender } from './channel';
import { ClientCore } from './client-core';
import { connect, connectSync } from './connecting';
import type { ControlMessage } from './control-message';
import { converting, invalid } from './errors';
import { EventReceiver } from './event-receiver';
import type { WebSocketEvent } from './events';
import type { RequestHeaders } from './headers';
import { type JoinHandle, ThreadJoinHandle } from './join-handle';
import type {
  AsyncNonBlockingOptions,
  AsyncNonBlockingOptionsInit,
  NonBlockingOptions,
} from './options';
import { type UpgradeResponse, upgradeResponse } from './response';
import { S9Socket } from './socket';

/** A client is not collected, which would close it, while one of its channel ends is in use. */
const usedBy = new WeakMap<object, ClientCore>();

/** The client for programs of several threads: channels in place of callbacks. */
export class S9AsyncNonBlockingWebSocketClient {
  /** What happens on the connection. */
  readonly eventRx: Receiver<WebSocketEvent>;
  /** What the connection is told. */
  readonly controlTx: Sender<ControlMessage>;
  readonly #core: ClientCore;

  private constructor(core: ClientCore) {
    if (!(core instanceof ClientCore)) throw invalid('client', core, 'what connect() makes');
    this.#core = core;
    this.eventRx = new EventReceiver(core.native.events(), false);
    this.controlTx = new ControlSender(core.native.control());
    usedBy.set(this.eventRx, core);
    usedBy.set(this.controlTx, core);
  }

  /**
   * Connects; `run` starts the thread.
   *
   * @throws S9WebSocketError - rejects with it, or with the reason of `signal`
   */
  static async connect(
    url: string | URL,
    options?: NonBlockingOptions | AsyncNonBlockingOptions | AsyncNonBlockingOptionsInit,
  ): Promise<S9AsyncNonBlockingWebSocketClient> {
    return new S9AsyncNonBlockingWebSocketClient(await connect('async', url, options));
  }

  /** Connects and blocks the thread until that is done, `connectTimeout` at most. */
  static connectSync(
    url: string | URL,
    options?: NonBlockingOptions | AsyncNonBlockingOptions | AsyncNonBlockingOptionsInit,
  ): S9AsyncNonBlockingWebSocketClient {
    return new S9AsyncNonBlockingWebSocketClient(connectSync('async', url, options));
  }

  /** As `connect`, with header fields that take the place of the options' of the same names. */
  static async connectWithHeaders(
    url: string | URL,
    headers: RequestHeaders,
    options?: NonBlockingOptions | AsyncNonBlockingOptions | AsyncNonBlockingOptionsInit,
  ): Promise<S9AsyncNonBlockingWebSocketClient> {
    return new S9AsyncNonBlockingWebSocketClient(await connect('async', url, options, headers));
  }

  /** As `connectSync`, with header fields as `connectWithHeaders` takes them. */
  static connectWithHeadersSync(
    url: string | URL,
    headers: RequestHeaders,
    options?: NonBlockingOptions | AsyncNonBlockingOptions | AsyncNonBlockingOptionsInit,
  ): S9AsyncNonBlockingWebSocketClient {
    return new S9AsyncNonBlockingWebSocketClient(connectSync('async', url, options, headers));
  }

  /** Starts the thread; a second call throws `ERR_S9_SOCKET_UNAVAILABLE`. */
  run(): JoinHandle {
    return new ThreadJoinHandle(converting(() => this.#core.native.startThread()));
  }

  /** The socket; null once `run` has moved it to the thread. */
  get socket(): S9Socket | null {
    const native = converting(() => this.#core.native.socket());
    return native && S9Socket.of(native);
  }

  /** Bytes accepted for sending that the kernel has not taken yet. */
  get bufferedAmount(): number {
    return this.#core.native.bufferedAmount();
  }

  /** The server's answer to the upgrade. */
  get response(): UpgradeResponse {
    return upgradeResponse(this.#core.native.response());
  }

  /**
   * Sends Close 1000 and has the thread end, once the server has answered or `closeTimeout` is over; it
   * does not wait for that.
   *
   * Receivers get what is there, `connectionClosed` and `quit`, and are disconnected then; at once if
   * the client never ran.
   */
  [Symbol.dispose](): void {
    this.#core.dispose();
  }
}
