// What a client and a control channel can both be told, with the arguments checked.

import { bytes, integer, optionalBytes, text } from './argument';
import { converting } from './errors';

/** The native methods that a client and a sender have in common. */
export interface Outlet {
  sendText(text: string): void;
  sendBinary(data: Uint8Array): void;
  sendPing(data: Uint8Array | undefined): void;
  sendPong(data: Uint8Array | undefined): void;
  close(code: number | undefined, reason: string | undefined): void;
  forceQuit(): void;
}

export function sendText(outlet: Outlet, message: unknown): void {
  const checked = text('text', message);
  converting(() => outlet.sendText(checked));
}

export function sendBinary(outlet: Outlet, data: unknown): void {
  const checked = bytes('data', data);
  converting(() => outlet.sendBinary(checked));
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
