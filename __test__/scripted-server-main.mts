// The process of a scripted server: it does what a script says, whatever RFC 6455 says to that, and
// reports what it saw. Talks to `scripted-server.mts` alone.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { makeCertificate } from './certificate.mjs';
import { FrameReader, type ReceivedFrame } from './frames.mjs';
import type { Report, Step } from './script.mjs';
import { teller } from './server-process.mjs';

/** What the test tells: a script for the connection with this path, or to go on with it. */
export type Command = { id: number; steps: readonly Step[] } | { id: number; goOn: true };
/** What the server tells: that it listens, that it has a script, what it saw. */
export interface Answers {
  listening: { ports: { plain: number; tls: number }; ca: string };
  ready: { id: number };
  saw: { id: number; report: Report };
}

const scripts = new Map<number, readonly Step[]>();
const actors = new Map<number, Actor>();
const certificate = makeCertificate('scripted server');

const tell = teller<Answers>();

/** A connection and its part of the play. */
class Actor {
  /** Below TLS, where there is TLS. */
  readonly #raw: Socket;
  readonly #stream: Socket;
  readonly #reader = new FrameReader();
  readonly #frames: ReceivedFrame[] = [];
  #request = '';
  #accept = '';
  #changed: () => void = () => {};
  #mayGoOn = false;
  #end: Report['end'] | undefined;

  constructor(raw: Socket, tls: boolean) {
    this.#raw = raw;
    this.#stream = tls
      ? new TLSSocket(raw, { isServer: true, ...certificate, allowHalfOpen: true } as object)
      : raw;
    raw.setNoDelay(true);
    for (const socket of new Set([raw, this.#stream])) {
      socket.on('error', () => this.#ended('reset'));
      socket.on('close', hadError => this.#ended(hadError ? 'reset' : 'fin'));
    }
    this.#stream.on('end', () => this.#ended('fin'));
    this.#stream.on('data', (bytes: Buffer) => this.#read(bytes));
  }

  goOn(): void {
    this.#mayGoOn = true;
    this.#changed();
  }

  #ended(how: Report['end']): void {
    this.#end ??= how;
    this.#changed();
  }

  #read(bytes: Buffer): void {
    if (this.#accept !== '') {
      this.#frames.push(...this.#reader.push(bytes));
      this.#changed();
      return;
    }
    this.#request += bytes.toString('latin1');
    if (!this.#request.endsWith('\r\n\r\n')) return;
    const key = /^sec-websocket-key: (.*)\r$/im.exec(this.#request)?.[1];
    this.#accept = createHash('sha1')
      .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    const id = Number(/^GET \/(\d+)/.exec(this.#request)?.[1]);
    void this.#play(id, scripts.get(id) ?? []);
  }

  async #play(id: number, steps: readonly Step[]): Promise<void> {
    actors.set(id, this);
    for (const step of steps) await this.#take(step);
    await this.#until(() => this.#end !== undefined);
    this.#stream.end();
    const report = { request: this.#request, frames: this.#frames, end: this.#end ?? 'fin' };
    tell('saw', { id, report });
  }

  async #take(step: Step): Promise<void> {
    if ('send' in step) await this.#write(this.#bytes(step.send));
    else if ('chopped' in step) {
      for (const byte of this.#bytes(step.chopped)) await this.#write(Buffer.of(byte));
    } else if ('endless' in step) {
      while (await this.#write(Buffer.from(step.endless)));
    } else if ('reading' in step) {
      if (step.reading) this.#stream.resume();
      else this.#stream.pause();
    } else if ('end' in step) this.#finish(step.end);
    else if (step.awaits === 'goOn') await this.#until(() => this.#mayGoOn);
    else {
      const { awaits, times = 1 } = step;
      const count = () => this.#frames.filter(({ opcode }) => opcode === awaits).length;
      await this.#until(() => count() >= times || this.#end !== undefined);
    }
  }

  #bytes(given: string | Uint8Array): Buffer {
    return typeof given === 'string'
      ? Buffer.from(given.replace('{accept}', this.#accept), 'latin1')
      : Buffer.from(given);
  }

  /** False once the client is gone. */
  #write(bytes: Buffer): Promise<boolean> {
    return new Promise(resolve => {
      if (this.#end === 'reset' || !this.#stream.writable) return resolve(false);
      this.#stream.write(bytes, error => setImmediate(resolve, !error));
    });
  }

  #finish(how: 'fin' | 'truncate' | 'reset'): void {
    if (how === 'fin') this.#stream.end();
    else if (how === 'truncate') this.#raw.end();
    else this.#raw.resetAndDestroy();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>(resolve => {
        this.#changed = resolve;
      });
    }
  }
}

async function listen(tls: boolean): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, socket => new Actor(socket, tls));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

process.on('message', (command: Command) => {
  if ('goOn' in command) return actors.get(command.id)?.goOn();
  scripts.set(command.id, command.steps);
  return tell('ready', { id: command.id });
});
const ports = { plain: await listen(false), tls: await listen(true) };
tell('listening', { ports, ca: certificate.cert });
