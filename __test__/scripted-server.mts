// A server that does what a test's script says, and reports what it saw.

import type { Report, Step } from './script.mjs';
import type { Answers, Command } from './scripted-server-main.mjs';
import { ServerProcess } from './server-process.mjs';

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
  readonly #process = new ServerProcess<Answers>('scripted-server-main.mjs');
  #listening!: Answers['listening'];
  #lastId = 0;

  private constructor() {}

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    server.#listening = await server.#process.answer('listening');
    return server;
  }

  /** Gives the server a script for one connection. */
  async play(steps: readonly Step[], tls = false): Promise<Scene> {
    const id = ++this.#lastId;
    const saw = this.#process.answer('saw', id);
    // A test that does not ask for the report does not fail for want of it.
    saw.catch(() => {});
    this.#tell({ id, steps });
    await this.#process.answer('ready', id);
    const { ports, ca } = this.#listening;
    return {
      url: tls ? `wss://127.0.0.1:${ports.tls}/${id}` : `ws://127.0.0.1:${ports.plain}/${id}`,
      options: tls ? { tls: { ca } } : {},
      goOn: () => this.#tell({ id, goOn: true }),
      report: async () => (await saw).report,
    };
  }

  stop(): void {
    this.#process.stop();
  }

  #tell(command: Command): void {
    this.#process.tell(command);
  }
}
