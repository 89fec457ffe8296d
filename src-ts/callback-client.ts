// What the non-blocking and the blocking client have in common: all but connecting and `run`.

import type { Bytes } from './argument';
import { ClientCore } from './client-core';
import { Delivery } from './delivery';
import { converting, invalid, S9WebSocketError } from './errors';
import { type AnyHandler, checkHandler, type S9WebSocketClientHandler } from './handler';
import { compressOf, Outbound, type SendOptions } from './outbound';
import { type UpgradeResponse, upgradeResponse } from './response';
import { runOnEventLoop } from './run-event-loop';
import { pollOnce, runSync } from './run-sync';
import { runOnThread } from './run-thread';
import { S9Socket } from './socket';

/** A client whose events go to a handler. */
export abstract class CallbackClient {
  readonly #core: ClientCore;
  readonly #outbound: Outbound;
  /** The handler that was polled with last, checked. */
  #polled: { handler: AnyHandler<CallbackClient>; delivery: Delivery<CallbackClient> } | undefined;

  /** @internal */
  protected constructor(core: ClientCore) {
    if (!(core instanceof ClientCore)) throw invalid('client', core, 'what connect() makes');
    this.#core = core;
    this.#outbound = new Outbound(core.native);
  }

  /**
   * Runs until the connection has ended and blocks the thread: no timer, promise or other socket
   * goes on meanwhile.
   *
   * Throws what a callback throws, after `onQuit`.
   */
  runSync(handler: S9WebSocketClientHandler<this>): void;
  runSync(handler: S9WebSocketClientHandler<this, Buffer>): void;
  runSync(handler: AnyHandler<this>): void {
    checkHandler(handler);
    runSync(this.#core, new Delivery(this.#core, this, handler));
  }

  /**
   * One turn, without waiting, for a loop of your own; false once the connection has ended.
   *
   * Throws what a callback throws, after `onQuit`.
   */
  poll(handler: S9WebSocketClientHandler<this>): boolean;
  poll(handler: S9WebSocketClientHandler<this, Buffer>): boolean;
  poll(handler: AnyHandler<this>): boolean {
    let polled = this.#polled;
    if (!polled || polled.handler !== handler) {
      checkHandler(handler);
      const delivery = new Delivery<CallbackClient>(this.#core, this, handler);
      polled = { handler, delivery };
      this.#polled = polled;
    }
    return pollOnce(this.#core, polled.delivery);
  }

  /** @internal */
  protected runIn(place: RunPlace, handler: AnyHandler<this>): Promise<void> {
    checkHandler(handler);
    const delivery = new Delivery(this.#core, this, handler);
    return (place === 'event-loop' ? runOnEventLoop : runOnThread)(this.#core, delivery);
  }

  /**
   * Sends a text message at once.
   *
   * What the kernel does not take is queued and counted in `bufferedAmount`. Throws
   * `ERR_S9_WRITE_BUFFER_FULL` with nothing sent, or `ERR_S9_CONNECTION_CLOSED` after `close` or once
   * the end has been told. Until then, what is sent on a connection that has ended is lost with it.
   */
  sendTextMessage(text: string, options?: SendOptions): void {
    let isLeft = false;
    try {
      isLeft = this.#outbound.sendText(text, compressOf(options));
    } catch (thrown) {
      this.#core.refused(thrown);
    }
    if (isLeft) this.#core.sent();
  }

  /** Sends a binary message, as `sendTextMessage` does; the bytes may be changed afterwards. */
  sendBinaryMessage(data: Bytes, options?: SendOptions): void {
    let isLeft = false;
    try {
      isLeft = this.#outbound.sendBinary(data, compressOf(options));
    } catch (thrown) {
      this.#core.refused(thrown);
    }
    if (isLeft) this.#core.sent();
  }

  /** Sends a ping with 125 bytes at most. */
  sendPing(data?: Bytes): void {
    let isLeft = false;
    try {
      isLeft = this.#outbound.sendPing(data);
    } catch (thrown) {
      this.#core.refused(thrown);
    }
    if (isLeft) this.#core.sent();
  }

  /** Sends a pong with 125 bytes at most; pings are answered without it. */
  sendPong(data?: Bytes): void {
    let isLeft = false;
    try {
      isLeft = this.#outbound.sendPong(data);
    } catch (thrown) {
      this.#core.refused(thrown);
    }
    if (isLeft) this.#core.sent();
  }

  /**
   * Starts the closing handshake; `onConnectionClosed` and `onQuit` follow.
   *
   * @param code - 1000, the default, or another code that may be sent
   * @param reason - 123 bytes of UTF-8 at most
   */
  close(code?: number, reason?: string): void {
    this.#outbound.close(code, reason);
    this.#core.endIsKnown = true;
    this.#core.wake?.();
  }

  /** Ends at once, without a Close frame; only `onQuit` follows, not even what was read already. */
  forceQuit(): void {
    this.#core.skipping = true;
    this.#outbound.forceQuit();
    this.#core.wake?.();
  }

  /** Calls `sends`; everything sent inside goes out in one write. */
  cork(sends: () => void): void {
    if (typeof sends !== 'function') throw invalid('sends', sends, 'a function');
    const { native } = this.#core;
    converting(() => native.cork());
    try {
      sends();
    } finally {
      converting(() => native.uncork());
      this.#core.sent();
    }
  }

  /** Bytes accepted for sending that the kernel has not taken yet. */
  get bufferedAmount(): number {
    return this.#core.native.bufferedAmount();
  }

  /** When the bytes of the message being delivered were read, on `performance.now()`'s clock. */
  get receivedAt(): number {
    return this.#core.receivedAt;
  }

  /**
   * Text and binary messages already read and still to be delivered after this one: 0 means act now.
   * Of what comes behind the batch of 1,024 events at most that this one is in, it counts one message.
   */
  get backlog(): number {
    return this.#core.backlog;
  }

  /** The socket; throws `ERR_S9_SOCKET_UNAVAILABLE` once it is gone. */
  get socket(): S9Socket {
    const native = converting(() => this.#core.native.socket());
    if (native) return S9Socket.of(native);
    throw new S9WebSocketError('ERR_S9_SOCKET_UNAVAILABLE', 'socket unavailable: it is gone');
  }

  /** The server's answer to the upgrade. */
  get response(): UpgradeResponse {
    return upgradeResponse(this.#core.native.response());
  }

  /**
   * Sends Close 1000 and ends, the thread too; of a run that goes on, only `onQuit` follows.
   *
   * It waits for no answer. Unless the process ends first, or the last thread with this package in
   * it, the peer has a second to read what was sent and the Close frame, also while it is sending
   * itself; `close` waits.
   */
  [Symbol.dispose](): void {
    this.#core.dispose();
  }
}

/** Where the loop of a run is. */
export type RunPlace = 'event-loop' | 'background-thread';
