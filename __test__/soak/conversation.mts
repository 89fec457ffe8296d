// The client's side of one connection of the soak: sends, checks and counts by the plan, through any
// way to run a client.

import { S9WebSocketError, type WebSocketEvent } from 's9-websocket';

import type { React, Speaker } from '../ways.mjs';
import { difference, messageOf } from './messages.mjs';
import type { Plan } from './plan.mjs';
import type { ClientRecord, Counts } from './records.mjs';

/** A ping is sent with each message whose number is a multiple of it. */
const PING_EACH = 10;
/** Messages that a steady connection has on their way. */
const STEADY_AHEAD = 16;
const NAMES = ['sent', 'received', 'pingsSent', 'pingsReceived', 'pongsReceived'] as const;

/** What a steady connection does at present. */
export type Mood = 'goes on' | 'rests' | 'is over';

/** What a connection counts, in memory that outlives the thread that counts. */
export class SharedCounts implements Counts {
  static readonly BYTES = NAMES.length * Int32Array.BYTES_PER_ELEMENT;
  readonly #cells: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#cells = new Int32Array(memory, 0, NAMES.length);
  }

  clear(): void {
    this.#cells.fill(0);
  }

  add(name: keyof Counts, amount: number): void {
    Atomics.add(this.#cells, NAMES.indexOf(name), amount);
  }

  get sent(): number {
    return Atomics.load(this.#cells, 0);
  }
  get received(): number {
    return Atomics.load(this.#cells, 1);
  }
  get pingsSent(): number {
    return Atomics.load(this.#cells, 2);
  }
  get pingsReceived(): number {
    return Atomics.load(this.#cells, 3);
  }
  get pongsReceived(): number {
    return Atomics.load(this.#cells, 4);
  }

  get all(): Counts {
    const { sent, received, pingsSent, pingsReceived, pongsReceived } = this;
    return { sent, received, pingsSent, pingsReceived, pongsReceived };
  }
}

export class Conversation {
  readonly thrown = new Error('thrown by a handler of the soak');
  readonly react: React = (event, speaker) => this.#react(event, speaker);
  readonly #plan: Plan;
  readonly #counts: SharedCounts;
  readonly #violations: string[] = [];
  readonly #told: string[] = [];
  readonly #reached: () => void;
  #outcome = 'quit';
  #detail = '';
  #closing = false;
  readonly #mood: () => Mood;

  /** `reached` is called where the plan wants this thread terminated. */
  constructor(plan: Plan, counts: SharedCounts, mood: () => Mood, reached: () => void) {
    this.#plan = plan;
    this.#counts = counts;
    this.#mood = mood;
    this.#reached = reached;
    counts.clear();
  }

  /** Once the run is over; `thrown` is what it failed with. */
  record(way: string, thrown?: unknown): ClientRecord {
    const { id, ending } = this.#plan;
    const ends = this.#told.filter(type => type === 'activated' || type === 'quit');
    // What throws inside an iteration leaves it before `quit`.
    const wanted = thrown && way.endsWith('channels') ? 'activated' : 'activated,quit';
    if (ends.join() !== wanted || this.#told[0] !== 'activated') this.#wrong(`told ${ends}`);
    if (thrown !== undefined) {
      if (thrown === this.thrown) this.#outcome = 'thrown';
      else this.#wrong(`the run failed with ${thrown}`);
    }
    const outcome = this.#outcome;
    const detail = this.#detail;
    return { id, way, ending, outcome, detail, violations: this.#violations, ...this.#counts.all };
  }

  /** The first few; what follows is most likely their consequence. */
  #wrong(what: string): void {
    if (this.#violations.length < 3) this.#violations.push(`client ${what}`);
  }

  #react(event: WebSocketEvent, speaker: Speaker): void {
    if (event.type !== 'textMessage' && event.type !== 'binaryMessage') this.#told.push(event.type);
    if (this.#told.at(-2) === 'quit') this.#wrong(`told ${event.type} after quit`);
    switch (event.type) {
      case 'textMessage':
      case 'binaryMessage':
        this.#received(event.data, speaker);
        break;
      case 'ping':
        this.#told.pop();
        this.#expect(event.data, this.#counts.pingsReceived);
        this.#counts.add('pingsReceived', 1);
        break;
      case 'pong':
        this.#told.pop();
        this.#pong(Number(event.data.toString()));
        break;
      case 'connectionClosed':
        this.#outcome = `closed ${event.code}`;
        return;
      case 'error':
        this.#outcome = `error ${event.error.code}`;
        this.#detail = event.error.message;
        return;
      case 'quit':
        return;
    }
    this.#sendSome(speaker);
  }

  #received(data: string | Buffer, speaker: Speaker): void {
    const number = this.#counts.received;
    const wrong = difference(data, messageOf(this.#plan, 'to-client', number));
    if (wrong) this.#wrong(`received ${wrong}`);
    this.#counts.add('received', 1);
    if (number + 1 === this.#plan.at) this.#endEarly(speaker);
  }

  #endEarly(speaker: Speaker): void {
    switch (this.#plan.ending) {
      case 'client-close-early':
      case 'silence':
        this.#closing = true;
        speaker.close(4001, 'as planned');
        break;
      case 'force-quit':
        this.#sendSome(speaker);
        this.#closing = true;
        speaker.forceQuit();
        break;
      case 'throw':
        this.#sendSome(speaker);
        this.#closing = true;
        throw this.thrown;
      case 'terminate':
        // Goes on until it is.
        this.#reached();
    }
  }

  #expect(data: Buffer, number: number): void {
    if (data.toString() !== String(number)) this.#wrong(`received ping ${data} for ${number}`);
  }

  #lastPong = -1;
  #pong(number: number): void {
    if (!(number > this.#lastPong && number < this.#counts.pingsSent)) {
      this.#wrong(`received pong ${number} after ${this.#lastPong}`);
    }
    this.#lastPong = number;
    this.#counts.add('pongsReceived', 1);
  }

  #sendSome(speaker: Speaker): void {
    const { clientCount, serverCount, burst, ending } = this.#plan;
    const mood = ending === 'steady' ? this.#mood() : 'goes on';
    if (mood === 'rests' || this.#closing) return;
    for (let count = 0; count < burst && mood === 'goes on'; count++) {
      const number = this.#counts.sent;
      if (number >= clientCount) break;
      // Each of these is answered by one.
      if (ending === 'steady' && number >= this.#counts.received + STEADY_AHEAD) break;
      const message = messageOf(this.#plan, 'to-server', number);
      const send = () =>
        typeof message === 'string' ? speaker.text(message) : speaker.binary(message);
      if (!this.#accepted('sent', send)) return;
      if (number % PING_EACH > 0) continue;
      const ping = Buffer.from(String(this.#counts.pingsSent));
      if (!this.#accepted('pingsSent', () => speaker.ping(ping))) return;
    }
    const isComplete = this.#counts.sent === clientCount && this.#counts.received === serverCount;
    if (mood === 'is over' || (ending === 'client-close' && isComplete)) {
      this.#closing = true;
      speaker.close(1000, 'complete');
    }
  }

  /** Counted before, and taken back if it fails: a thread may be terminated in between. */
  #accepted(name: keyof Counts, send: () => void): boolean {
    this.#counts.add(name, 1);
    try {
      send();
      return true;
    } catch (error) {
      this.#counts.add(name, -1);
      const code = error instanceof S9WebSocketError ? error.code : undefined;
      // The end is known before it is delivered.
      if (code === 'ERR_S9_CONNECTION_CLOSED' || code === 'ERR_S9_IO') this.#closing = true;
      else if (code !== 'ERR_S9_WRITE_BUFFER_FULL') this.#wrong(`failed to send: ${error}`);
      return false;
    }
  }
}
