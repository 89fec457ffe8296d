// Hands the core's log records to JavaScript.

import { converting, invalid } from './errors';
import { addon } from './native';

/** `error` for errors, `debug` for the life cycle, `trace` for every message. */
export type LogLevel = 'off' | 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** A log record of the core. */
export interface LogRecord {
  /** How grave it is. */
  level: Exclude<LogLevel, 'off'>;
  /** The part of the core that speaks. */
  target: string;
  /** What happened, without the particulars. */
  message: string;
  /** Milliseconds since 1970. */
  timestamp: number;
  /** The particulars, by name; payloads are given by their size only. */
  fields: Record<string, string>;
}

/**
 * Calls `log` with every record of this level or above, in the event loop, for all clients of the
 * process; the last call counts. `setLogger('off')` ends it.
 */
export function setLogger(level: LogLevel, log?: (record: LogRecord) => void): void {
  if (typeof level !== 'string') throw invalid('level', level, 'the name of a level');
  if (level !== 'off' && typeof log !== 'function') throw invalid('log', log, 'a function');
  const wake = level === 'off' || !log ? null : () => deliver(log, number);
  const number: number = converting(() => addon.setLogger(level, wake));
}

/** A logger whose place another has taken while it was about to be called gets nothing. */
function deliver(log: (record: LogRecord) => void, number: number): void {
  for (const record of addon.takeLogRecords(number)) {
    try {
      log(record as LogRecord);
    } catch (thrown) {
      // Uncaught, as from any listener, but without the records that follow being lost.
      setImmediate(() => {
        throw thrown;
      });
    }
  }
}
