// A conversation with a server: connects, sends what there is to send, prints what comes, and knows
// with which exit code it ends.

import { setImmediate as nextTurn } from 'node:timers/promises';

import type { WebSocketEvent } from '../index';
import type { BinaryFormat } from './binary-text';
import type { TalkCommand } from './command';
import { connectionOptions } from './connecting-options';
import { ExitCode, exitCodeOfSignal } from './exit-code';
import { errorCode, exitCodeOf } from './failure';
import { History } from './history';
import { InputLines } from './input-lines';
import { JsonPrinter } from './json-printer';
import { Outbox } from './outbox';
import type { Output } from './output';
import { connectPeer, type Peer } from './peer';
import { type Printer, TextPrinter } from './printer';
import { Prompt } from './prompt';
import { PROMPT_HELP, readPromptLine, SLASH_COMMANDS } from './prompt-line';
import { UsageError } from './usage-error';

const CONNECT_TIMEOUT = 30_000;
/** Milliseconds of sending, after which events, timers and signals have their turn. */
const SENDING_TURN = 5;
/** Codes of an end in order: done, going away, none given. */
const IN_ORDER = new Set([1000, 1001, 1005]);

/** Who or what ended the conversation first. */
type Why = 'count' | 'timeout' | 'input' | 'user' | 'peer' | 'failure' | 'nobodyReads';

export class Session {
  readonly #command: TalkCommand;
  readonly #output: Output;
  readonly #printer: Printer;
  readonly #abort = new AbortController();
  /** When pings were sent that are not answered yet, by what they carry. */
  readonly #pings = new Map<string, number>();
  #pingsSent = 0;
  #binary: BinaryFormat;
  #peer: Peer | undefined;
  #outbox: Outbox | undefined;
  #prompt: Prompt | undefined;
  #readsInput = false;
  #why: Why | undefined;
  #received = 0;
  /** The code with which we closed; a peer repeats it. */
  #sentCode: number | undefined;
  /** Set where it is decided before the end comes. */
  #exitCode: number | undefined;

  constructor(command: TalkCommand, output: Output) {
    this.#command = command;
    this.#output = output;
    this.#binary = command.binary;
    const { timestamps, quiet } = command;
    this.#printer = command.json
      ? new JsonPrinter(output, command.binary)
      : new TextPrinter(output, { binary: () => this.#binary, timestamps, quiet });
    output.onGone = () => this.#nobodyReads();
  }

  /** Resolves with the exit code. */
  async run(): Promise<number> {
    const { client, connecting, timeout = CONNECT_TIMEOUT, url } = this.#command;
    const deadline = performance.now() + timeout;
    const { signal } = this.#abort;
    try {
      const options = connectionOptions(connecting);
      const connectTimeout = Math.min(timeout, CONNECT_TIMEOUT);
      this.#peer = await connectPeer(client, url, { ...options, connectTimeout, signal });
    } catch (error) {
      if (signal.aborted) return this.#exitCode ?? ExitCode.Done;
      this.#printer.failed(error);
      return exitCodeOf(error);
    }
    this.#outbox = new Outbox(this.#peer);
    if (!this.#peer.waits) this.#output.blockWhenFull();
    this.#printer.opened(url, this.#peer.response);
    return this.#talk(this.#peer, deadline);
  }

  /** Closes; told a second time, ends at once. */
  interrupt(signal: NodeJS.Signals): void {
    this.#exitCode = exitCodeOfSignal(signal);
    if (!this.#peer) this.#abort.abort();
    else if (this.#why === undefined) this.#close('user');
    else this.#peer.forceQuit();
  }

  async #talk(peer: Peer, deadline: number): Promise<number> {
    const timers = [
      this.#command.timeout !== undefined &&
        setTimeout(() => this.#close('timeout'), Math.max(0, deadline - performance.now())),
      this.#command.ping !== undefined &&
        setInterval(() => this.#ping(numbered(++this.#pingsSent)), this.#command.ping),
    ];
    try {
      await peer.run(event => this.#take(event));
    } finally {
      for (const timer of timers) if (timer) clearTimeout(timer);
      this.#outbox?.shut();
      this.#prompt?.close();
      this.#output.setFooter(undefined);
      if (this.#readsInput) process.stdin.destroy();
    }
    return this.#exitCode ?? this.#exitCodeOfEnd();
  }

  #exitCodeOfEnd(): number {
    const { count } = this.#command;
    if (count !== undefined && this.#received < count && this.#why !== 'nobodyReads') {
      this.#output.note(`s9ws: ${this.#received} of ${count} messages came`);
      return ExitCode.Incomplete;
    }
    return ExitCode.Done;
  }

  #take(event: WebSocketEvent): Promise<void> | undefined {
    switch (event.type) {
      case 'activated':
        this.#begin();
        break;
      case 'textMessage':
      case 'binaryMessage':
        // What comes behind the last one that was asked for is not wanted.
        if (this.#why === 'count') return undefined;
        this.#print(event);
        if (++this.#received === this.#command.count) this.#close('count');
        break;
      case 'connectionClosed':
        this.#why ??= 'peer';
        if (!this.#isInOrder(event.code)) this.#exitCode ??= ExitCode.Failed;
        this.#print(event);
        break;
      case 'error':
        this.#why ??= 'failure';
        if (this.#why !== 'count') this.#exitCode ??= ExitCode.Failed;
        this.#print(event);
        break;
      default:
        this.#print(event);
    }
    return this.#output.isFull ? this.#output.hasRoom() : undefined;
  }

  /** Whoever has all messages asked for does not mind how the connection ends. */
  #isInOrder(code: number): boolean {
    return IN_ORDER.has(code) || code === this.#sentCode || this.#why === 'count';
  }

  #print(event: WebSocketEvent): void {
    this.#printer.event(event, event.type === 'pong' ? this.#roundTrip(event) : undefined);
  }

  /** Of a pong to one of our pings. */
  #roundTrip({ data, receivedAt }: { data: Buffer; receivedAt: number }): number | undefined {
    const key = data.toString('hex');
    const sentAt = this.#pings.get(key);
    this.#pings.delete(key);
    return sentAt === undefined ? undefined : receivedAt - sentAt;
  }

  #begin(): void {
    const { binaryLines, input, json, send } = this.#command;
    for (const message of send) this.#outbox?.send(message)?.catch(error => this.#giveUp(error));
    if (!input) return;
    this.#readsInput = true;
    if (process.stdin.isTTY && this.#output.isTerminal && !json) this.#openPrompt();
    else void this.#sendInput(new InputLines(binaryLines ? this.#binary : undefined));
  }

  #openPrompt(): void {
    this.#prompt = new Prompt(new History(), SLASH_COMMANDS, {
      onLine: line => this.#takeLine(line),
      // The usual way out of a prompt: no failure, but if forced.
      onInterrupt: () => {
        if (this.#why === undefined) this.#close('user');
        else this.interrupt('SIGINT');
      },
      onEnd: () => this.#close('user'),
    });
    this.#output.setFooter(this.#prompt);
    this.#prompt.show();
  }

  #takeLine(typed: string): void {
    const complain = (error: unknown) => this.#printer.failed(error);
    try {
      const line = readPromptLine(typed, this.#binary);
      switch (line.does) {
        case 'send':
          this.#outbox?.send(line.message)?.catch(complain);
          break;
        case 'ping':
          this.#ping(line.data);
          break;
        case 'close':
          this.#close('user', line.code, line.reason);
          break;
        case 'setBinary':
          this.#binary = line.format;
          break;
        case 'help':
          this.#printer.note(PROMPT_HELP);
      }
    } catch (error) {
      complain(error);
    }
  }

  async #sendInput(lines: InputLines): Promise<void> {
    const outbox = this.#outbox as Outbox;
    let turnBegan = performance.now();
    try {
      for await (const chunk of process.stdin) {
        for (const message of lines.push(chunk)) {
          await outbox.send(message);
          // Of a pipe that is always full, Node reads 2 MiB in one turn, which may be a million lines.
          if (performance.now() - turnBegan < SENDING_TURN) continue;
          await nextTurn();
          if (this.#why !== undefined) return;
          turnBegan = performance.now();
        }
        if (this.#why !== undefined) return;
      }
      for (const message of lines.end()) await outbox.send(message);
      await outbox.drained();
    } catch (error) {
      if (this.#why === undefined) this.#giveUp(readable(error));
      return;
    }
    // Whoever asks for messages, or for a time, wants to hear them out.
    const { count, timeout } = this.#command;
    if (count === undefined && timeout === undefined) this.#close('input');
  }

  #ping(data: Buffer): void {
    if (this.#why !== undefined) return;
    this.#pings.set(data.toString('hex'), performance.now());
    this.#peer?.ping(data);
  }

  /** Throws, and goes on, if the code or the reason must not be sent. */
  #close(why: Why, code?: number, reason?: string): void {
    if (this.#why !== undefined) return;
    this.#peer?.close(code, reason);
    this.#sentCode = code;
    this.#why = why;
    this.#outbox?.shut();
  }

  #giveUp(error: unknown): void {
    this.#printer.failed(error);
    this.#exitCode ??= error instanceof UsageError ? ExitCode.Usage : ExitCode.Failed;
    this.#close('failure');
  }

  /** Nobody is interested any more, which is no failure of ours. */
  #nobodyReads(): void {
    this.#exitCode ??= ExitCode.Done;
    this.#why = 'nobodyReads';
    this.#outbox?.shut();
    if (this.#peer) this.#peer.forceQuit();
    else this.#abort.abort();
  }
}

/** Eight bytes that tell a ping from those before it. */
function numbered(number: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE(BigInt(number));
  return data;
}

/** Standard input may be a folder, or a device that fails. */
function readable(error: unknown): unknown {
  const { syscall } = (error ?? {}) as { syscall?: unknown };
  if (syscall !== 'read') return error;
  return new UsageError(`standard input cannot be read: ${errorCode(error)}`);
}
