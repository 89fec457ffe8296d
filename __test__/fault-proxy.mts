// A TCP proxy in a process of its own that does a connection the harm that a test asks for.

import type { Fault, Report, Traffic } from './fault.mjs';
import type { Answers, Command } from './fault-proxy-main.mjs';
import { ServerProcess } from './server-process.mjs';

/** Where one client connects. */
export interface FaultyPath {
  url: string;
  /** With TLS, what makes a client trust the server. */
  options: { tls?: { ca: string } };
  /** To be asked for once the client has gone. */
  report(): Promise<Report>;
}

export class FaultProxy {
  readonly #process = new ServerProcess<Answers>('fault-proxy-main.mjs');
  #ca = '';
  #lastId = 0;

  private constructor() {}

  static async start(): Promise<FaultProxy> {
    const proxy = new FaultProxy();
    proxy.#ca = (await proxy.#process.answer('running')).ca;
    return proxy;
  }

  async path(tls: boolean, fault: Fault, traffic: Traffic): Promise<FaultyPath> {
    const id = ++this.#lastId;
    const listening = this.#process.answer('listening', id);
    this.#tell({ id, tls, fault, traffic });
    const { port } = await listening;
    return {
      url: `${tls ? 'wss' : 'ws'}://127.0.0.1:${port}`,
      options: tls ? { tls: { ca: this.#ca } } : {},
      report: async () => {
        const saw = this.#process.answer('saw', id);
        this.#tell({ id, gone: true });
        return (await saw).report;
      },
    };
  }

  stop(): void {
    this.#process.stop();
  }

  #tell(command: Command): void {
    this.#process.tell(command);
  }
}
