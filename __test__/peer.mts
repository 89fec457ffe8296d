// A server by `ws` on a thread of its own, so that it serves clients that block ours. It does what a
// text message tells it, and afterwards tells what came.

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

import { type WebSocket, WebSocketServer } from 'ws';

/** What a connection brought, seen from the server. */
export interface Seen {
  headers: IncomingMessage['headers'];
  /** `text hello`, `ping …`, `close 1000 done`, … in order. */
  lines: string[];
}

/** What a text message makes the server do; any other is only written down. */
const COMMANDS: Record<string, (socket: WebSocket, request: IncomingMessage) => void> = {
  'send text': socket => socket.send('text'),
  'send binary': socket => socket.send(Buffer.from('binary')),
  ping: socket => socket.ping('from the server'),
  close: socket => socket.close(4001, 'bye'),
  // The stream ends without a Close frame.
  vanish: (_, request) => request.socket.end(),
};

/** The server, seen from a test. */
export class Peer implements AsyncDisposable {
  readonly url: string;
  readonly #worker: Worker;
  readonly #seen: Seen[] = [];
  #arrived = () => {};

  private constructor(worker: Worker, url: string) {
    this.#worker = worker;
    this.url = url;
    worker.on('message', seen => {
      this.#seen.push(seen);
      this.#arrived();
    });
  }

  static async start(): Promise<Peer> {
    const worker = new Worker(new URL(import.meta.url));
    const [url] = await once(worker, 'message');
    return new Peer(worker, url);
  }

  /** What the next connection to end brought. */
  async seen(): Promise<Seen> {
    for (;;) {
      const seen = this.#seen.shift();
      if (seen) return seen;
      await new Promise<void>(resolve => {
        this.#arrived = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

function serve(socket: WebSocket, request: IncomingMessage): void {
  const lines: string[] = [];
  socket.on('message', (data, isBinary) => {
    const text = data.toString();
    lines.push(`${isBinary ? 'binary' : 'text'} ${text}`);
    if (!isBinary) COMMANDS[text]?.(socket, request);
  });
  socket.on('ping', data => lines.push(`ping ${data}`));
  socket.on('pong', data => lines.push(`pong ${data}`));
  socket.on('error', error => lines.push(`error ${error.message}`));
  socket.on('close', (code, reason) => {
    lines.push(`close ${code} ${reason}`.trimEnd());
    parentPort?.postMessage({ headers: request.headers, lines } satisfies Seen);
  });
}

if (!isMainThread) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () => {
    const { port } = server.address() as { port: number };
    parentPort?.postMessage(`ws://127.0.0.1:${port}`);
  });
  server.on('connection', serve);
}
