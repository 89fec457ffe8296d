// The server at the other end, whichever client speaks to it. Decides nothing.

import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  type S9WebSocketClientHandler,
  type UpgradeResponse,
  type WebSocketEvent,
} from '../index';
import type { ClientName, Outgoing } from './command';
import type { ConnectionOptions } from './connecting-options';
import { errorCode } from './failure';

/** The longest wait of an idle loop; what comes ends it at once. */
const IDLE_WAIT = 1000;
/** Events that wait for a slow reader of ours; the socket is read no further then. */
const EVENTS = 1024;

/** Takes an event; the next one comes when the promise has resolved, where the client can wait. */
export type OnEvent = (event: WebSocketEvent) => Promise<void> | undefined;

export interface Peer {
  readonly response: UpgradeResponse;
  /** Events come no faster than they are taken. */
  readonly waits: boolean;
  readonly bufferedAmount: number;
  /** Does nothing once closing has begun, as do the others; throws what else is wrong. */
  send(message: Outgoing): void;
  ping(data: Uint8Array): void;
  close(code?: number, reason?: string): void;
  forceQuit(): void;
  /** Resolves after `quit`. */
  run(onEvent: OnEvent): Promise<void>;
}

export interface PeerOptions extends ConnectionOptions {
  /** Milliseconds for connecting. */
  connectTimeout?: number;
  signal?: AbortSignal;
}

export async function connectPeer(
  client: ClientName,
  url: string,
  options: PeerOptions,
): Promise<Peer> {
  const waiting = { ...options, spinWaitDuration: IDLE_WAIT };
  switch (client) {
    case 'async':
      return new ChannelPeer(
        await S9AsyncNonBlockingWebSocketClient.connect(url, { ...waiting, eventCapacity: EVENTS }),
      );
    case 'non-blocking':
      return new HandlerPeer(await S9NonBlockingWebSocketClient.connect(url, waiting));
    case 'blocking':
      return new HandlerPeer(await S9BlockingWebSocketClient.connect(url, options));
  }
}

/** A connection that is closing takes nothing more; its end is told by an event. */
function unlessClosed(tell: () => void): void {
  try {
    tell();
  } catch (error) {
    if (errorCode(error) !== 'ERR_S9_CONNECTION_CLOSED') throw error;
  }
}

class ChannelPeer implements Peer {
  readonly waits = true;
  readonly response: UpgradeResponse;
  readonly #client: S9AsyncNonBlockingWebSocketClient;

  constructor(client: S9AsyncNonBlockingWebSocketClient) {
    this.#client = client;
    this.response = client.response;
  }

  get bufferedAmount(): number {
    return this.#client.bufferedAmount;
  }

  send(message: Outgoing): void {
    this.#tell(
      typeof message === 'string'
        ? ControlMessage.sendText(message)
        : ControlMessage.sendBinary(message),
    );
  }

  ping(data: Uint8Array): void {
    this.#tell(ControlMessage.sendPing(data));
  }

  close(code?: number, reason?: string): void {
    this.#tell(ControlMessage.close(code, reason));
  }

  forceQuit(): void {
    this.#tell(ControlMessage.forceQuit());
  }

  #tell(message: ControlMessage): void {
    unlessClosed(() => this.#client.controlTx.send(message));
  }

  async run(onEvent: OnEvent): Promise<void> {
    const thread = this.#client.run();
    for await (const event of this.#client.eventRx) {
      const taken = onEvent(event);
      if (taken) await taken;
    }
    await thread.join();
  }
}

type CallbackClient = S9NonBlockingWebSocketClient | S9BlockingWebSocketClient;

class HandlerPeer implements Peer {
  readonly waits = false;
  readonly response: UpgradeResponse;
  readonly #client: CallbackClient;

  constructor(client: CallbackClient) {
    this.#client = client;
    this.response = client.response;
  }

  get bufferedAmount(): number {
    return this.#client.bufferedAmount;
  }

  send(message: Outgoing): void {
    unlessClosed(() => {
      if (typeof message === 'string') this.#client.sendTextMessage(message);
      else this.#client.sendBinaryMessage(message);
    });
  }

  ping(data: Uint8Array): void {
    unlessClosed(() => this.#client.sendPing(data));
  }

  close(code?: number, reason?: string): void {
    unlessClosed(() => this.#client.close(code, reason));
  }

  forceQuit(): void {
    unlessClosed(() => this.#client.forceQuit());
  }

  async run(onEvent: OnEvent): Promise<void> {
    // Of the end, `receivedAt` is the time of what was read last: it is told when it comes.
    const now = () => performance.now();
    const handler: S9WebSocketClientHandler<CallbackClient> = {
      onActivated: () => void onEvent({ type: 'activated', receivedAt: now() }),
      onTextMessage: ({ receivedAt }, data) =>
        void onEvent({ type: 'textMessage', data, receivedAt }),
      onBinaryMessage: ({ receivedAt }, data) =>
        void onEvent({ type: 'binaryMessage', data, receivedAt }),
      onPing: ({ receivedAt }, data) => void onEvent({ type: 'ping', data, receivedAt }),
      onPong: ({ receivedAt }, data) => void onEvent({ type: 'pong', data, receivedAt }),
      onConnectionClosed: (_, reason, code) =>
        void onEvent({ type: 'connectionClosed', code, reason, receivedAt: now() }),
      onError: (_, error) => void onEvent({ type: 'error', error, receivedAt: now() }),
      onQuit: () => void onEvent({ type: 'quit', receivedAt: now() }),
    };
    await this.#client.run(handler);
  }
}
