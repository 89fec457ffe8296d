// What a fault proxy is to do to a connection, and what it and the server behind it saw.

import type { Sizes } from './numbered.mjs';

/** What happens to the bytes of one direction. */
export type Damage =
  /** Each piece waits so many milliseconds at most. */
  | { kind: 'delay'; most: number }
  /** Byte by byte, each in a segment of its own. */
  | { kind: 'chop' }
  /** What comes within this time goes on together. */
  | { kind: 'coalesce'; time: number }
  /** Nothing is read any more, for this time or, without one, until the end: kernel buffers fill. */
  | { kind: 'stall'; time?: number }
  /** Read and never passed on, with all streams open. */
  | { kind: 'swallow' }
  /** FIN, while the other direction goes on. */
  | { kind: 'end' }
  /** RST to both sides. */
  | { kind: 'reset' }
  /** One bit inside a TLS record is turned over. */
  | { kind: 'corrupt' };

export interface Fault {
  /** Nobody listens. */
  refused?: true;
  /** The number of the message whose arrival at the server arms it, or an event that does. */
  at: number | 'accept' | 'request' | 'close';
  /** Bytes of its direction that still pass once it is armed. */
  after?: number;
  toClient?: Damage;
  toServer?: Damage;
}

/** The messages that the server has to expect. */
export interface Traffic {
  seed: number;
  sizes: Sizes;
}

/** How a connection through the proxy was. */
export interface Report {
  /** The fault took place. */
  hit: boolean;
  /** The client was still there when its time was over, and was reset. */
  overdue: boolean;
  /** What the server saw; nothing where no upgrade came through. */
  server: ServerReport | undefined;
}

export interface ServerReport {
  /** Messages, all of them echoed. */
  received: number;
  problem: string | undefined;
  /** Pings sent, and what was received. */
  pinged: number;
  pings: number;
  pongs: number;
  /** Code and reason. */
  closed: string;
}
