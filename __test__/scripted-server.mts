// A server that does what a test's script says, in a process of its own: `runSync` blocks ours.

import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { fileURLToPath } from 'node:url';

import type { Report, Step } from './script.mjs';
import type { Answers, Command } from './scripted-server-main.mjs';

const DEADLINE = 20_000;

/** One connection's part of a script. */
export interface Scene {
  readonly url: string;
  /** With TLS, what makes a client trust the server. */
  readonly options: { tls?: { ca: string } };
  /** Ends a step that awaits it; works inside `runSync` too. */
  goOn(): void;
  /** What the server saw, once the client's stream has ended. */
  report(): Promise<Report>;
}

export class ScriptedServer {
  readonly #process: ChildProcess;
  readonly #answers = new EventEmitter();
  #listening!: Answers['listening'];
  #lastId = 0;

  private constructor() {
    const main = fileURLToPath(new URL('scripted-server-main.mjs', import.meta.url));
    this.#process = fork(main, { serialization: 'advanced', execArgv: [] });
    this.#process.on('message', (answer: { kind: keyof Answers; id?: number }) => {
      this.#answers.emit(answer.kind + (answer.id ?? ''), answer);
    });
  }

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    server.#listening = await server.#answer('listening');
    return server;
  }

  /** Gives the server a script for one connection. */
  async play(steps: readonly Step[], tls = false): Promise<Scene> {
    const id = ++this.#lastId;
    const saw = this.#answer('saw', id);
    // A test that does not ask for the report does not fail for want of it.
    saw.catch(() => {});
    this.#tell({ id, steps });
    await this.#answer('ready', id);
    const { ports, ca } = this.#listening;
    return {
      url: tls ? `wss://127.0.0.1:${ports.tls}/${id}` : `ws://127.0.0.1:${ports.plain}/${id}`,
      options: tls ? { tls: { ca } } : {},
      goOn: () => this.#tell({ id, goOn: true }),
      report: async () => (await saw).report,
    };
  }

  stop(): void {
    this.#process.disconnect();
  }

  #tell(command: Command): void {
    this.#process.send(command);
  }

  async #answer<Kind extends keyof Answers>(kind: Kind, id?: number): Promise<Answers[Kind]> {
    const signal = AbortSignal.timeout(DEADLINE);
    const [answer] = await once(this.#answers, kind + (id ?? ''), { signal });
    return answer;
  }
}
