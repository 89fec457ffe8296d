// The events of a channel, and how they are read from a batch.

import { type Batch, Field, Kind } from './batch';
import { clockOffset } from './clock';
import type { ErrorSource } from './delivery';
import { fromNative, type S9WebSocketError } from './errors';

/**
 * What a channel brings: `activated` first, `quit` last. `receivedAt` is when the bytes were read,
 * on `performance.now()`'s clock.
 *
 * @typeParam T - what text messages come as: `Buffer` with `textFormat: 'buffer'`
 */
export type WebSocketEvent<T extends string | Buffer = string> = { receivedAt: number } & (
  | { type: 'activated' }
  | { type: 'textMessage'; data: T }
  | { type: 'binaryMessage'; data: Buffer }
  | { type: 'ping' | 'pong'; data: Buffer }
  | { type: 'connectionClosed'; code: number; reason: string | null }
  | { type: 'error'; error: S9WebSocketError }
  | { type: 'quit' }
);

/** The event at `index` of a batch. */
export function readEvent(
  batch: Batch,
  index: number,
  errors: ErrorSource,
): WebSocketEvent<string | Buffer> {
  const { descriptors, times } = batch;
  const at = index * Field.Count;
  const start = descriptors[at + Field.Offset] as number;
  const end = start + (descriptors[at + Field.Length] as number);
  const receivedAt = (times[index] as number) + clockOffset;
  switch (descriptors[at] as Kind) {
    case Kind.Activated:
      return { type: 'activated', receivedAt };
    case Kind.TextAscii:
      return { type: 'textMessage', data: batch.ascii(index, start, end), receivedAt };
    case Kind.TextUtf16:
      return { type: 'textMessage', data: batch.utf16(index, start, end), receivedAt };
    case Kind.TextUtf8:
      return { type: 'textMessage', data: batch.utf8(start, end), receivedAt };
    case Kind.TextAsBytes:
      return { type: 'textMessage', data: batch.view(start, end), receivedAt };
    case Kind.Binary:
      return { type: 'binaryMessage', data: batch.view(start, end), receivedAt };
    case Kind.Ping:
      return { type: 'ping', data: batch.view(start, end), receivedAt };
    case Kind.Pong:
      return { type: 'pong', data: batch.view(start, end), receivedAt };
    case Kind.ConnectionClosed: {
      const code = descriptors[at + Field.Code] as number;
      const reason = end > start ? batch.utf8(start, end) : null;
      return { type: 'connectionClosed', code, reason, receivedAt };
    }
    case Kind.Error:
      return { type: 'error', error: fromNative(errors.takeError()), receivedAt };
    case Kind.Quit:
      return { type: 'quit', receivedAt };
  }
}
