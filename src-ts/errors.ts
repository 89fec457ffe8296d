// The one error class of the package, and how native errors become it.

import { types } from 'node:util';

import { headerRecord, type ResponseHeaders } from './header-record';
import type { NativeError } from './native';

/** The stable names of all errors; branch on these, never on a message. */
export type S9WebSocketErrorCode =
  | 'ERR_S9_INVALID_URI'
  | 'ERR_S9_INVALID_CONFIGURATION'
  | 'ERR_S9_CONNECTION_CLOSED'
  | 'ERR_S9_SOCKET_UNAVAILABLE'
  | 'ERR_S9_IO'
  | 'ERR_S9_TIMEOUT'
  | 'ERR_S9_TLS'
  | 'ERR_S9_HANDSHAKE'
  | 'ERR_S9_PROTOCOL'
  | 'ERR_S9_INVALID_UTF8'
  | 'ERR_S9_MESSAGE_TOO_LARGE'
  | 'ERR_S9_WRITE_BUFFER_FULL'
  | 'ERR_S9_CHANNEL_DISCONNECTED';

/** The HTTP response with which a server refused the upgrade. */
export interface RefusedUpgrade {
  /** The HTTP status, such as 401. */
  readonly status: number;
  /** Names are in lower case; a header that came more than once is an array. */
  readonly headers: ResponseHeaders;
  /** The first 64 KiB of the body. */
  readonly body: Buffer;
}

/**
 * Every error that this package throws, rejects with or hands to `onError`.
 *
 * `cause` is the error below, with the operating system's `code` where there is one.
 */
export class S9WebSocketError extends Error {
  /** Always `'S9WebSocketError'`. */
  override readonly name = 'S9WebSocketError';
  /** What went wrong; stable, unlike the message. */
  readonly code: S9WebSocketErrorCode;
  /** With `ERR_S9_HANDSHAKE`: the server's answer, where it was a well-formed HTTP response. */
  readonly response?: RefusedUpgrade;

  constructor(
    code: S9WebSocketErrorCode,
    message: string,
    details: { cause?: unknown; response?: RefusedUpgrade } = {},
  ) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    if (details.response) this.response = details.response;
  }
}

/** The error of a background operation or of an event. */
export function fromNative(error: NativeError | null): S9WebSocketError {
  if (!error) return new S9WebSocketError('ERR_S9_IO', 'the connection failed');
  const details: { cause?: unknown; response?: RefusedUpgrade } = {};
  if (error.cause !== undefined) {
    const cause = new Error(error.cause);
    details.cause = error.causeCode ? Object.assign(cause, { code: error.causeCode }) : cause;
  }
  if (error.response) {
    const { status, headers, body } = error.response;
    details.response = { status, headers: headerRecord(headers), body: body ?? Buffer.alloc(0) };
  }
  return new S9WebSocketError(error.code as S9WebSocketErrorCode, error.message, details);
}

/** What a native call threw, as an `S9WebSocketError` where it carries one of our codes. */
export function fromThrown(thrown: unknown): unknown {
  // In a `vm` context, Jest's for one, native errors are of the main realm and no instance of `Error`.
  if (!types.isNativeError(thrown) || thrown instanceof S9WebSocketError) return thrown;
  const { code } = thrown as { code?: unknown };
  if (typeof code !== 'string' || !code.startsWith('ERR_S9_')) return thrown;
  return new S9WebSocketError(
    code as S9WebSocketErrorCode,
    thrown.message,
    thrown.cause === undefined ? {} : { cause: thrown.cause },
  );
}

/** Runs native code and converts what it throws. */
export function converting<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw fromThrown(thrown);
  }
}

/** An error that names the argument, the value given and what is allowed. */
export function invalid(name: string, value: unknown, allowed: string): S9WebSocketError {
  return refused(name, shown(value), allowed);
}

/** As `invalid`, for a value of which only the type may be told: it may be a secret. */
export function invalidType(name: string, value: unknown, allowed: string): S9WebSocketError {
  return refused(name, value === null ? 'null' : `a value of type ${typeof value}`, allowed);
}

/** As `invalid`, for a value in words. */
export function refused(name: string, words: string, allowed: string): S9WebSocketError {
  return new S9WebSocketError(
    'ERR_S9_INVALID_CONFIGURATION',
    `invalid ${name}: ${words} (allowed: ${allowed})`,
  );
}

function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}…` : value);
    case 'bigint':
      return `${value}n`;
    case 'function':
      return 'a function';
    case 'object':
      if (value === null) return 'null';
      return Array.isArray(value) ? 'an array' : 'an object';
    default:
      return String(value);
  }
}
