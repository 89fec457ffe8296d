// The two ends of a client's channels, here and in other threads.

import type { ControlMessage } from './control-message';
import { converting, invalid } from './errors';
import { EventReceiver } from './event-receiver';
import type { WebSocketEvent } from './events';
import { addon, type NativeSender } from './native';
import { Outbound } from './outbound';

/**
 * The receiving end of a channel. Each event goes to one receiver.
 *
 * Iteration yields events in order and ends after `quit`.
 */
export interface Receiver<T> extends AsyncIterable<T> {
  /** The next event; rejects with `ERR_S9_CHANNEL_DISCONNECTED` once there can be none. */
  recv(): Promise<T>;
  /**
   * The next event; blocks until there is one, or for `timeout` milliseconds: then undefined.
   *
   * Throws `ERR_S9_CHANNEL_DISCONNECTED` once there can be none.
   */
  recvSync(timeout?: number): T | undefined;
  /** The next event if there is one; throws `ERR_S9_CHANNEL_DISCONNECTED` once there can be none. */
  tryRecv(): T | undefined;
  /** The events that are there, `max` at most; none where there can be none either: it tells no end. */
  drain(max?: number): T[];
  /** Events that are there. */
  readonly length: number;
  /**
   * Identifies the channel to `Receiver.fromHandle` in another worker thread.
   *
   * Read it before iterating: an iteration reads ahead as long as nobody else can receive.
   */
  readonly handle: bigint;
}

/** The sending end of a channel. */
export interface Sender<T> {
  /** Never blocks; throws `ERR_S9_CONNECTION_CLOSED` once closing has begun, by either side. */
  send(message: T): void;
  /** Identifies the channel to `Sender.fromHandle` in another worker thread. */
  readonly handle: bigint;
}

/** Opens the receiving end of a channel of this process. */
export const Receiver = {
  /** The channel must be alive, else `ERR_S9_CHANNEL_DISCONNECTED` is thrown. */
  fromHandle(handle: bigint): Receiver<WebSocketEvent> {
    const checked = checkHandle(handle);
    return new EventReceiver(
      converting(() => addon.NativeReceiver.fromHandle(checked)),
      true,
    );
  },
} as const;

/** Opens the sending end of a channel of this process. */
export const Sender = {
  /** The channel must be alive, else `ERR_S9_CHANNEL_DISCONNECTED` is thrown. */
  fromHandle(handle: bigint): Sender<ControlMessage> {
    const checked = checkHandle(handle);
    return new ControlSender(converting(() => addon.NativeSender.fromHandle(checked)));
  },
} as const;

export class ControlSender implements Sender<ControlMessage> {
  readonly #native: NativeSender;
  readonly #outbound: Outbound;

  constructor(native: NativeSender) {
    this.#native = native;
    this.#outbound = new Outbound(native);
  }

  send(message: ControlMessage): void {
    if (typeof message !== 'object' || message === null) {
      throw invalid('message', message, 'a control message');
    }
    switch (message.type) {
      case 'sendText':
        this.#outbound.sendText(message.text, message.compress);
        break;
      case 'sendBinary':
        this.#outbound.sendBinary(message.data, message.compress);
        break;
      case 'sendPing':
        this.#outbound.sendPing(message.data);
        break;
      case 'sendPong':
        this.#outbound.sendPong(message.data);
        break;
      case 'close':
        this.#outbound.close(message.code, message.reason);
        break;
      case 'forceQuit':
        this.#outbound.forceQuit();
        break;
      default:
        throw invalid('message.type', (message as { type?: unknown }).type, 'a control message');
    }
  }

  get handle(): bigint {
    return converting(() => this.#native.handle());
  }
}

function checkHandle(handle: unknown): bigint {
  if (typeof handle !== 'bigint' || handle < 0n || handle >= 2n ** 64n) {
    throw invalid('handle', handle, 'the handle of a channel, a bigint');
  }
  return handle;
}
