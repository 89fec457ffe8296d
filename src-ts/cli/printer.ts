// What is printed of a conversation, for people and for pipes of text. JSON is elsewhere.

import type { UpgradeResponse, WebSocketEvent } from '../index';
import type { BinaryFormat } from './binary-text';
import { inFull } from './failure';
import type { Output } from './output';
import { harmless } from './paint';
import { shownUrl } from './shown-url';

/** Of a pong: how long it took to come, in milliseconds. */
export type RoundTrip = number | undefined;

export interface Printer {
  opened(url: string, response: UpgradeResponse): void;
  event(event: WebSocketEvent, roundTrip: RoundTrip): void;
  /** Connecting failed, or the tool has to give up. */
  failed(error: unknown): void;
  /** For the person, not for a pipe. */
  note(text: string): void;
}

export interface TextStyle {
  /** Read for each message: the prompt can change it. */
  binary(): BinaryFormat;
  timestamps: boolean;
  quiet: boolean;
}

/** Messages to standard output, a line each; everything else to standard error. */
export class TextPrinter implements Printer {
  readonly #output: Output;
  readonly #style: TextStyle;

  constructor(output: Output, style: TextStyle) {
    this.#output = output;
    this.#style = style;
  }

  opened(url: string, { status, subprotocol, extensions }: UpgradeResponse): void {
    const agreed = [subprotocol ? `subprotocol ${subprotocol}` : '', extensions].filter(Boolean);
    const details = agreed.length > 0 ? `: ${harmless(agreed.join(', '))}` : '';
    this.#remark(Date.now(), `connected to ${shownUrl(url)} (${status})${details}`);
  }

  event(event: WebSocketEvent, roundTrip: RoundTrip): void {
    const at = performance.timeOrigin + event.receivedAt;
    switch (event.type) {
      case 'textMessage':
        this.#message(at, event.data);
        break;
      case 'binaryMessage': {
        const encoded = event.data.toString(this.#style.binary());
        const { isTerminal, paint } = this.#output;
        const length = isTerminal ? `${paint('yellow', `(${event.data.length} bytes)`)} ` : '';
        this.#message(at, encoded, length);
        break;
      }
      case 'ping':
        this.#remark(at, `ping ${payload(event.data)}`.trimEnd());
        break;
      case 'pong': {
        const took = roundTrip === undefined ? payload(event.data) : `${roundTrip.toFixed(3)} ms`;
        this.#remark(at, `pong ${took}`.trimEnd());
        break;
      }
      case 'connectionClosed':
        this.#remark(at, `closed ${event.code} ${harmless(event.reason ?? '')}`.trimEnd());
        break;
      case 'error':
        this.failed(event.error, at);
    }
  }

  failed(error: unknown, at = Date.now()): void {
    this.#output.note(this.#output.paintNote('red', `${this.#time(at)}s9ws: ${inFull(error)}`));
  }

  note(text: string): void {
    this.#output.note(text);
  }

  #message(at: number, text: string, before = ''): void {
    const { isTerminal, paint } = this.#output;
    const mark = isTerminal ? `${paint('cyan', '<')} ` : '';
    const shown = isTerminal ? harmless(text) : text;
    this.#output.line(this.#time(at) + mark + before + shown);
  }

  #remark(at: number, text: string): void {
    if (this.#style.quiet) return;
    this.#output.note(this.#output.paintNote('dim', this.#time(at) + text));
  }

  #time(at: number): string {
    if (!this.#style.timestamps) return '';
    const date = new Date(at);
    const two = (number: number) => String(number).padStart(2, '0');
    const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
    return `${clock}.${String(date.getMilliseconds()).padStart(3, '0')} `;
  }
}

/** What a ping or pong carries, usually text if anything. */
function payload(data: Buffer): string {
  return harmless(data.toString());
}
