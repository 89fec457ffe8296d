// What a client and a control channel can both be told, with the arguments checked.

import { bytes, integer, optionalBytes, text } from './argument';
import { converting, invalid } from './errors';

/** How one message is sent. */
export interface SendOptions {
  /** False sends it uncompressed, whatever was agreed on and however long it is. */
  compress?: boolean;
}

/** The native methods that a client and a sender have in common. */
export interface Outlet {
  sendText(text: string): void;
  sendBinary(data: Uint8Array): void;
  sendTextUncompressed(text: string): void;
  sendBinaryUncompressed(data: Uint8Array): void;
  sendPing(data: Uint8Array | undefined): void;
  sendPong(data: Uint8Array | undefined): void;
  close(code: number | undefined, reason: string | undefined): void;
  forceQuit(): void;
}

/** The `compress` of options for one message. */
export function compressOf(options: unknown): unknown {
  if (options === undefined) return undefined;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid('options', options, 'an object with "compress"');
  }
  for (const name of Object.keys(options)) {
    if (name !== 'compress') throw invalid('option', name, '"compress"');
  }
  return (options as SendOptions).compress;
}

export function sendText(outlet: Outlet, message: unknown, compress: unknown): void {
  const checked = text('text', message);
  if (mayCompress(compress)) converting(() => outlet.sendText(checked));
  else converting(() => outlet.sendTextUncompressed(checked));
}

export function sendBinary(outlet: Outlet, data: unknown, compress: unknown): void {
  const checked = bytes('data', data);
  if (mayCompress(compress)) converting(() => outlet.sendBinary(checked));
  else converting(() => outlet.sendBinaryUncompressed(checked));
}

function mayCompress(compress: unknown): boolean {
  if (compress !== undefined && typeof compress !== 'boolean') {
    throw invalid('compress', compress, 'true or false');
  }
  return compress !== false;
}

export function sendPing(outlet: Outlet, data: unknown): void {
  const checked = optionalBytes('data', data);
  converting(() => outlet.sendPing(checked));
}

export function sendPong(outlet: Outlet, data: unknown): void {
  const checked = optionalBytes('data', data);
  converting(() => outlet.sendPong(checked));
}

/** Which codes may be sent is the native side's business; here they are kept from wrapping around. */
export function close(outlet: Outlet, code: unknown, reason: unknown): void {
  const checkedCode = code === undefined ? undefined : integer('code', code, 1000, 4999);
  const checkedReason = reason === undefined ? undefined : text('reason', reason);
  converting(() => outlet.close(checkedCode, checkedReason));
}

export function forceQuit(outlet: Outlet): void {
  converting(() => outlet.forceQuit());
}
