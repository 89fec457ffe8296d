// How the command line ends, as scripts see it.

import { constants } from 'node:os';

export const ExitCode = {
  /** Closed in order, by either side, or done as asked. */
  Done: 0,
  /** A fault of the tool itself. */
  Fault: 1,
  /** The command line, or what it names, cannot be used. */
  Usage: 2,
  /** No connection: name, TCP, TLS or time. */
  NotConnected: 3,
  /** The server refused the upgrade. */
  Refused: 4,
  /** The connection failed, or was closed with a code that tells of a failure. */
  Failed: 5,
  /** `--count` messages did not come. */
  Incomplete: 6,
} as const;

/** As shells tell it: 128 and the number of the signal. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
