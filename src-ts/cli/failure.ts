// What failed, in words and as an exit code.

import { STATUS_CODES } from 'node:http';

import type { RefusedUpgrade, ResponseHeaders, S9WebSocketError } from '../index';
import { ExitCode } from './exit-code';
import { harmless } from './paint';
import { UsageError } from './usage-error';

/** The `code` of an error, if it has one. */
export function errorCode(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** By name: whoever only prints help or an error does not load the addon for the class. */
export function isOurs(error: unknown): error is S9WebSocketError {
  return error instanceof Error && error.name === 'S9WebSocketError';
}

/** The exit code of what made connecting fail. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return ExitCode.Usage;
  if (!isOurs(error)) return ExitCode.Fault;
  switch (error.code) {
    case 'ERR_S9_INVALID_URI':
    case 'ERR_S9_INVALID_CONFIGURATION':
      return ExitCode.Usage;
    case 'ERR_S9_HANDSHAKE':
      return ExitCode.Refused;
    default:
      return ExitCode.NotConnected;
  }
}

/** An error in one line, with its cause where that says more. */
export function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = isOurs(error) ? `${error.code}: ` : '';
  const { cause } = error;
  const because =
    cause instanceof Error && !error.message.includes(cause.message) ? ` (${cause.message})` : '';
  return `${code}${error.message}${because}`;
}

/** As `inWords`, fit for a terminal, and with what a server answered that refused the upgrade. */
export function inFull(error: unknown): string {
  const refused = isOurs(error) && error.response ? `\n${refusal(error.response)}` : '';
  return harmless(inWords(error) + refused);
}

function refusal({ status, headers, body }: RefusedUpgrade): string {
  const lines = [`HTTP ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd(), ...fields(headers)];
  const text = body.toString().trimEnd();
  return [...lines, ...(text === '' ? [] : ['', text])].join('\n');
}

function fields(headers: ResponseHeaders): string[] {
  return Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map(value => `${name}: ${value}`),
  );
}
