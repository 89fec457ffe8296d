// What is printed of a conversation with --json: the events of the package, one a line.

import type { UpgradeResponse, WebSocketEvent } from '../index';
import type { BinaryFormat } from './binary-text';
import { errorCode } from './failure';
import type { Output } from './output';
import type { Printer, RoundTrip } from './printer';
import { shownUrl } from './shown-url';

/** What steers a terminal and is left as it is by `JSON.stringify`. */
const STEERING = /[\u007f-\u009f]/g;

export class JsonPrinter implements Printer {
  readonly #output: Output;
  readonly #binary: BinaryFormat;

  constructor(output: Output, binary: BinaryFormat) {
    this.#output = output;
    this.#binary = binary;
  }

  opened(url: string, response: UpgradeResponse): void {
    this.#line('activated', Date.now(), { url: shownUrl(url), ...response });
  }

  event(event: WebSocketEvent, roundTrip: RoundTrip): void {
    const at = performance.timeOrigin + event.receivedAt;
    switch (event.type) {
      case 'activated':
        // `opened` has told it, and more.
        break;
      case 'textMessage':
        this.#line(event.type, at, { data: event.data });
        break;
      case 'binaryMessage':
      case 'ping':
      case 'pong':
        this.#line(event.type, at, { data: event.data.toString(this.#binary), roundTrip });
        break;
      case 'connectionClosed':
        this.#line(event.type, at, { code: event.code, reason: event.reason });
        break;
      case 'error':
        this.#error(event.error, at);
        break;
      case 'quit':
        this.#line(event.type, at, {});
    }
  }

  failed(error: unknown): void {
    this.#error(error, Date.now());
  }

  note(text: string): void {
    this.#output.note(text);
  }

  #error(error: unknown, at: number): void {
    const { message, cause, response } = error as Error & {
      response?: { status: number; headers: unknown; body: Buffer };
    };
    this.#line('error', at, {
      code: errorCode(error),
      message,
      cause: cause instanceof Error ? cause.message : undefined,
      response: response && { ...response, body: response.body.toString() },
    });
  }

  /** Times are milliseconds since 1970. */
  #line(type: WebSocketEvent['type'], time: number, fields: object): void {
    const rounded = Math.round(time * 1000) / 1000;
    const text = JSON.stringify({ type, time: rounded, ...fields });
    this.#output.line(text.replace(STEERING, escaped));
  }
}

const escaped = (found: string) => `\\u00${found.charCodeAt(0).toString(16)}`;
