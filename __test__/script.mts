// What a scripted server is to do on a connection, and what it reports to have seen.

import { closeFrame, type ReceivedFrame } from './frames.mjs';

/** Steps are taken one after the other, once the upgrade request has been read. */
export type Step =
  /** In one write; `{accept}` in text becomes the answer to the client's key. */
  | { send: string | Uint8Array }
  /** A byte a write. */
  | { chopped: string | Uint8Array }
  /** Again and again, until the client hangs up. */
  | { endless: string }
  /** Until the client has sent this many frames of that kind, in all. */
  | { awaits: number; times?: number }
  /** Until the test says `goOn`. */
  | { awaits: 'goOn' }
  | { reading: boolean }
  /** FIN (over TLS behind a close_notify), FIN alone, or RST. */
  | { end: 'fin' | 'truncate' | 'reset' };

/** What a scripted server saw of a client. */
export interface Report {
  /** The upgrade request. */
  request: string;
  /** What came after it. */
  frames: ReceivedFrame[];
  /** How the client's stream ended. */
  end: 'fin' | 'reset';
}

/** A proper acceptance of the upgrade, with these lines in place of those of the same names. */
export function accepting(lines: Record<string, string> = {}): string {
  const all = {
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Accept': '{accept}',
    ...lines,
  };
  const fields = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 101 Switching Protocols\r\n${fields.join('')}\r\n`;
}

export const ACCEPT: Step = { send: accepting() };

/** The proper end of a connection that the client closes. */
export const CLOSE_WHEN_ASKED: readonly Step[] = [
  { awaits: 8 },
  { send: closeFrame(1000) },
  { end: 'fin' },
];
