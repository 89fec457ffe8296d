// What a control channel carries, with a maker for each.

import type { SendOptions } from './outbound';

/** A command for a client on a Rust thread. */
export type ControlMessage =
  | ({ type: 'sendText'; text: string } & SendOptions)
  | ({ type: 'sendBinary'; data: Uint8Array } & SendOptions)
  | { type: 'sendPing' | 'sendPong'; data: Uint8Array }
  | { type: 'close'; code?: number; reason?: string }
  | { type: 'forceQuit' };

const NOTHING = new Uint8Array(0);

/** Makers of control messages. */
export const ControlMessage = {
  /** Sends a text message. */
  sendText(text: string, options?: SendOptions): ControlMessage {
    return { type: 'sendText', text, ...options };
  },
  /** Sends a binary message. */
  sendBinary(data: Uint8Array, options?: SendOptions): ControlMessage {
    return { type: 'sendBinary', data, ...options };
  },
  /** Sends a ping with 125 bytes at most. */
  sendPing(data: Uint8Array = NOTHING): ControlMessage {
    return { type: 'sendPing', data };
  },
  /** Sends a pong with 125 bytes at most; pings are answered without it. */
  sendPong(data: Uint8Array = NOTHING): ControlMessage {
    return { type: 'sendPong', data };
  },
  /** Starts the closing handshake, with code 1000 if left out. */
  close(code?: number, reason?: string): ControlMessage {
    return {
      type: 'close',
      ...(code !== undefined && { code }),
      ...(reason !== undefined && { reason }),
    };
  },
  /** Ends at once, without a Close frame. */
  forceQuit(): ControlMessage {
    return { type: 'forceQuit' };
  },
} as const;
