// The server process of the soak: `ws` on plain and TLS ports, which sends, checks and counts by the
// plan of each connection and does to it what the plan says.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { type RawData, WebSocket, WebSocketServer } from 'ws';

import { makeCertificate } from '../certificate.mjs';
import { difference, messageOf } from './messages.mjs';
import { type Plan, planOf } from './plan.mjs';
import type { Ports, ServerIsTold, ServerRecord, ServerTells } from './records.mjs';

const seed = Number(process.argv[2]);
/** Unsent bytes at which a connection waits for its peer. */
const FULL = 1 << 20;
/** Messages sent before other connections get their turn. */
const SLICE = 64;
/** Pings keep a client's callbacks coming when there is nothing else. */
const PING_EVERY = 20;
/** How long a silent connection is kept: longer than any client waits for its Close. */
const SILENCE = 1_500;
/** How long nobody listens. */
const DOWN = 150;

const open = new Set<Conversation>();
const certificate = makeCertificate('soak');

function tell(what: ServerTells): void {
  process.send?.(what, () => {});
}

class Conversation {
  readonly plan: Plan;
  readonly #socket: WebSocket;
  readonly #record: ServerRecord;
  readonly #pings: NodeJS.Timeout;
  #silent = false;
  #stalled = false;
  #stallDone = false;
  #lastPong = -1;

  constructor(socket: WebSocket, plan: Plan) {
    this.plan = plan;
    this.#socket = socket;
    const counts = { sent: 0, received: 0, pingsSent: 0, pingsReceived: 0, pongsReceived: 0 };
    this.#record = { id: plan.id, code: 1006, restarted: false, violations: [], ...counts };
    this.#pings = setInterval(() => this.#ping(), PING_EVERY);
    open.add(this);
    socket.on('message', (data, isBinary) => this.#message(data, isBinary));
    socket.on('ping', data => this.#pinged(data));
    socket.on('pong', data => this.#pong(data));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#failed(error));
    socket.on('close', code => this.#closed(code));
    this.#pump();
  }

  get id(): number {
    return this.plan.id;
  }

  /** As a server does that is killed. */
  cut(): void {
    this.#record.restarted = true;
    this.#reset();
  }

  #reset(): void {
    const socket = rawOf(this.#socket);
    // libuv refuses to reset what is shutting down, and Node then never tells of its end.
    if (socket.writableEnded) return void socket.destroy();
    // A TLS socket cannot be reset, the one below it can.
    const { _parent } = socket as unknown as { _parent?: Socket };
    (_parent ?? socket).resetAndDestroy();
    if (_parent) socket.destroy();
  }

  #message(data: RawData, isBinary: boolean): void {
    const number = this.#record.received++;
    const received = isBinary ? (data as Buffer) : data.toString();
    const wrong = difference(received, messageOf(this.plan, 'to-server', number));
    if (wrong) this.#record.violations.push(`server received ${wrong}`);
    if (this.plan.ending === 'steady') this.#send();
  }

  #pinged(data: Buffer): void {
    const number = this.#record.pingsReceived++;
    if (data.toString() !== String(number)) {
      this.#record.violations.push(`server received ping ${data} in place of ${number}`);
    }
    if (!this.#mute) this.#socket.pong(data);
  }

  /** Only the latest of several pings need be answered (RFC 6455, section 5.5.3). */
  #pong(data: Buffer): void {
    const number = Number(data.toString());
    if (!(number > this.#lastPong && number < this.#record.pingsSent)) {
      this.#record.violations.push(`server received pong ${data} after ${this.#lastPong}`);
    }
    this.#lastPong = number;
    this.#record.pongsReceived++;
  }

  get #mute(): boolean {
    return this.#silent || this.#stalled || this.#socket.readyState !== WebSocket.OPEN;
  }

  #ping(): void {
    if (this.#mute || this.#socket.bufferedAmount > FULL) return;
    this.#socket.ping(String(this.#record.pingsSent++));
  }

  #send(): void {
    if (this.#mute) return;
    const number = this.#record.sent++;
    const message = messageOf(this.plan, 'to-client', number);
    const isLast = number + 1 === this.plan.at && this.#endsHere;
    this.#socket.send(message, isLast ? () => this.#end() : undefined);
  }

  get #endsHere(): boolean {
    return ['server-close', 'reset', 'half-close', 'silence'].includes(this.plan.ending);
  }

  #pump(): void {
    const { at, serverCount, stall, ending } = this.plan;
    if (ending === 'steady' || this.#mute) return;
    const limit = this.#endsHere ? at : serverCount;
    const half = at >> 1;
    for (let count = 0; count < SLICE && this.#record.sent < limit; count++) {
      if (this.#socket.bufferedAmount > FULL) break;
      if (stall > 0 && !this.#stallDone && this.#record.sent >= half) return void this.#stall();
      this.#send();
    }
    if (this.#record.sent >= limit) return;
    if (this.#socket.bufferedAmount > FULL) setTimeout(() => this.#pump(), 1);
    else setImmediate(() => this.#pump());
  }

  async #stall(): Promise<void> {
    this.#stallDone = true;
    this.#stalled = true;
    this.#socket.pause();
    await delay(this.plan.stall);
    this.#stalled = false;
    this.#socket.resume();
    this.#pump();
  }

  #end(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    switch (this.plan.ending) {
      case 'server-close':
        this.#socket.close(4000, 'as planned');
        break;
      case 'reset':
        this.#reset();
        break;
      case 'half-close':
        this.#silent = true;
        rawOf(this.#socket).end();
        break;
      default:
        this.#silent = true;
        this.#socket.pause();
        setTimeout(() => this.#reset(), SILENCE);
    }
  }

  /** What `ws` takes for a violation by the client is one. */
  #failed(error: NodeJS.ErrnoException): void {
    if (['ECONNRESET', 'EPIPE'].includes(error.code ?? '')) return;
    this.#record.violations.push(`server failed with ${error.code} ${error.message}`);
  }

  #closed(code: number): void {
    clearInterval(this.#pings);
    open.delete(this);
    this.#record.code = code;
    tell({ kind: 'record', record: this.#record });
  }
}

/** What `ws` has below it and does not show. */
function rawOf(socket: WebSocket): Socket {
  return (socket as unknown as { _socket: Socket })._socket;
}

function serve(server: Server, deflate: boolean): void {
  const options = {
    server,
    perMessageDeflate: deflate && { threshold: 0, zlibDeflateOptions: { level: 1 } },
    // Of itself it answers after the end of its stream too, and resets the connection thereby.
    autoPong: false,
  };
  const sockets = new WebSocketServer(options);
  sockets.on('connection', (socket, request) => {
    new Conversation(socket, planOf(seed, Number(request.url?.slice(1))));
  });
}

const tls = certificate as object;
const SERVERS: Record<keyof Ports, () => Server> = {
  ws: createServer,
  wss: () => createTlsServer(tls) as unknown as Server,
  wsDeflate: createServer,
  wssDeflate: () => createTlsServer(tls) as unknown as Server,
};
const servers: Server[] = [];
const ports: Ports = { ws: 0, wss: 0, wsDeflate: 0, wssDeflate: 0 };

async function start(): Promise<void> {
  for (const [name, make] of Object.entries(SERVERS) as [keyof Ports, () => Server][]) {
    const server = make();
    // A client may leave in the middle of anything.
    server.on('clientError', (_, socket) => socket.destroy()).on('tlsClientError', () => {});
    serve(server, name.endsWith('Deflate'));
    await once(server.listen(ports[name], '127.0.0.1'), 'listening');
    ports[name] = (server.address() as AddressInfo).port;
    servers.push(server);
  }
}

async function restart(): Promise<void> {
  const from = Date.now();
  for (const server of servers.splice(0)) server.close().closeAllConnections();
  for (const conversation of open) conversation.cut();
  await delay(DOWN);
  await start();
  tell({ kind: 'restarted', from, to: Date.now() });
}

process.on('message', (told: ServerIsTold) => {
  if (told.kind === 'restart') void restart();
  else if (told.kind === 'open') {
    tell({ kind: 'open', ids: Array.from(open, conversation => conversation.id) });
  } else process.exit();
});
process.on('disconnect', () => process.exit());
await start();
tell({ kind: 'listening', ports, ca: certificate.cert });
