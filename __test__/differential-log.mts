// Events and frames as short lines, the same as those of `crates/core/examples/event_logs.rs`.

import type { WebSocketEvent } from 's9-websocket';

import { Opcode } from './frames.mjs';

/** Length and FNV-1a of a payload. */
export function digest(data: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${data.length} ${(hash >>> 0).toString(16)}`;
}

export function eventLine(event: WebSocketEvent): string {
  switch (event.type) {
    case 'textMessage':
      return `text ${digest(Buffer.from(event.data))}`;
    case 'binaryMessage':
      return `binary ${digest(event.data)}`;
    case 'ping':
    case 'pong':
      return `${event.type} ${digest(event.data)}`;
    case 'connectionClosed':
      return `closed ${event.code} ${digest(Buffer.from(event.reason ?? ''))}`;
    case 'error':
      return `error ${event.error.code}`;
    default:
      return event.type;
  }
}

/** A frame that a client sent. */
export function frameLine(opcode: number, payload: Uint8Array): string {
  const kind = { [Opcode.Close]: 'close', [Opcode.Pong]: 'pong' }[opcode] ?? `opcode ${opcode}`;
  return `sent ${kind} ${digest(payload)}`;
}
