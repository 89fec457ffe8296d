// What the processes of the soak tell one another.

import type { Ending } from './plan.mjs';

/** What one side counted on a connection. */
export interface Counts {
  /** Messages given to a send that did not fail. */
  sent: number;
  /** Messages received, each compared with the one that had to come. */
  received: number;
  pingsSent: number;
  pingsReceived: number;
  pongsReceived: number;
}

export interface ClientRecord extends Counts {
  id: number;
  /** The way to run, and where: `non_blocking_run`, `worker async_channels`, … */
  way: string;
  /** As the client that ran it had it planned. */
  ending: Ending;
  /**
   * `closed CODE`, `error CODE`, `quit` without either, `thrown`, `terminated`, or
   * `not connected CODE`.
   */
  outcome: string;
  /** The message of the error, if it was one. */
  detail?: string;
  /** When connecting failed, in milliseconds since the epoch. */
  failedAt?: number;
  violations: string[];
}

export interface ServerRecord extends Counts {
  id: number;
  /** The close code, 1006 where no Close frame came. */
  code: number;
  /** Cut off by a restart. */
  restarted: boolean;
  violations: string[];
}

/** What the client's process uses, with every client ended but the steady ones. */
export interface Sample {
  /** Seconds since the start. */
  at: number;
  /** Resident memory; on Linux only what no file is behind. */
  resident: number;
  heap: number;
  external: number;
  descriptors: number;
  threads: number;
}

export type ServerTells =
  | { kind: 'listening'; ports: Ports; ca: string }
  | { kind: 'record'; record: ServerRecord }
  | { kind: 'open'; ids: number[] }
  /** It refused connections between the two moments, in milliseconds since the epoch. */
  | { kind: 'restarted'; from: number; to: number };

/** How long the termination of a worker took in which a client ran in this way. */
export interface Termination {
  milliseconds: number;
  way: string;
}

export type ClientTells =
  | { kind: 'record'; record: ClientRecord }
  | { kind: 'idle' }
  /** A pause waits for these connections. */
  | { kind: 'stuck'; connections: string[] }
  | { kind: 'sample'; sample: Omit<Sample, 'at'> }
  | ({ kind: 'terminated' } & Termination)
  | { kind: 'done' };

/** Port by scheme and whether the server agrees to compression. */
export interface Ports {
  ws: number;
  wss: number;
  wsDeflate: number;
  wssDeflate: number;
}

export type ServerIsTold = { kind: 'restart' } | { kind: 'open' } | { kind: 'stop' };

export type ClientIsTold =
  | { kind: 'start'; seed: number; ports: Ports; ca: string }
  /** Starts no connection and ends those that there are, but for the steady ones. */
  | { kind: 'pause' }
  | { kind: 'collect' }
  | { kind: 'sample' }
  | { kind: 'resume' }
  | { kind: 'stop' };
