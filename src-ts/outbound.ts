// What a client and a control channel can both be told, with the arguments checked.

import { bytes, integer, optionalBytes, text } from './argument';
import { converting, fromThrown, invalid } from './errors';

/** How one message is sent. */
export interface SendOptions {
  /** False sends it uncompressed, whatever was agreed on and however long it is. */
  compress?: boolean;
}

/** The native methods that a client and a sender have in common. */
export interface Outlet {
  bindSendText(): (text: string) => number;
  bindSendBinary(): (data: Uint8Array) => number;
  sendTextUncompressed(text: string): void;
  sendBinaryUncompressed(data: Uint8Array): void;
  sendPing(data: Uint8Array | undefined): void;
  sendPong(data: Uint8Array | undefined): void;
  close(code: number | undefined, reason: string | undefined): void;
  forceQuit(): void;
}

/** Tells an outlet what the user says; of a send, whether bytes of it may be left in the queue. */
export class Outbound {
  readonly #outlet: Outlet;
  /** Functions bound to the outlet, for what is sent often: made when first used. */
  #sendText: ((text: string) => number) | undefined;
  #sendBinary: ((data: Uint8Array) => number) | undefined;

  constructor(outlet: Outlet) {
    this.#outlet = outlet;
  }

  sendText(message: unknown, compress: unknown): boolean {
    const checked = text('text', message);
    try {
      if (mayCompress(compress)) {
        this.#sendText ??= this.#outlet.bindSendText();
        return this.#sendText(checked) !== 0;
      }
      this.#outlet.sendTextUncompressed(checked);
      return true;
    } catch (thrown) {
      throw fromThrown(thrown);
    }
  }

  sendBinary(data: unknown, compress: unknown): boolean {
    const checked = bytes('data', data);
    try {
      if (mayCompress(compress)) {
        this.#sendBinary ??= this.#outlet.bindSendBinary();
        return this.#sendBinary(checked) !== 0;
      }
      this.#outlet.sendBinaryUncompressed(checked);
      return true;
    } catch (thrown) {
      throw fromThrown(thrown);
    }
  }

  sendPing(data: unknown): boolean {
    const checked = optionalBytes('data', data);
    converting(() => this.#outlet.sendPing(checked));
    return true;
  }

  sendPong(data: unknown): boolean {
    const checked = optionalBytes('data', data);
    converting(() => this.#outlet.sendPong(checked));
    return true;
  }

  /** Which codes may be sent is the native side's business; here they are kept from wrapping around. */
  close(code: unknown, reason: unknown): void {
    const checkedCode = code === undefined ? undefined : integer('code', code, 1000, 4999);
    const checkedReason = reason === undefined ? undefined : text('reason', reason);
    converting(() => this.#outlet.close(checkedCode, checkedReason));
  }

  forceQuit(): void {
    converting(() => this.#outlet.forceQuit());
  }
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

function mayCompress(compress: unknown): boolean {
  if (compress !== undefined && typeof compress !== 'boolean') {
    throw invalid('compress', compress, 'true or false');
  }
  return compress !== false;
}
