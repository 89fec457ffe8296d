// The process of a fault proxy and of the echo server behind it, which checks what it is sent. Talks to
// `fault-proxy.mts` alone.

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from 'node:net';

import { type WebSocket, WebSocketServer } from 'ws';

import { makeCertificate } from './certificate.mjs';
import type { Fault, Report, ServerReport, Traffic } from './fault.mjs';
import { Link } from './fault-link.mjs';
import { Ledger } from './numbered.mjs';
import { teller } from './server-process.mjs';

/** What the test tells: that a client will come, or that it has gone. */
export type Command =
  | { id: number; tls: boolean; fault: Fault; traffic: Traffic }
  | { id: number; gone: true };
/** What the proxy tells: that it runs, that it listens for a client, how that was. */
export interface Answers {
  running: { ca: string };
  listening: { id: number; port: number };
  saw: { id: number; report: Report };
}

/** Far above what any fault takes. */
const DEADLINE = 10_000;
/** The server pings as often. */
const MESSAGES_A_PING = 4;

const tell = teller<Answers>();
const certificate = makeCertificate('behind the fault proxy');
const passages = new Map<number, Passage>();
/** By the port from which the proxy has connected to the server. */
const byPort = new Map<number, Passage>();

/** The way of one client to the server. */
class Passage {
  readonly #id: number;
  readonly #fault: Fault;
  readonly traffic: Traffic;
  #link: Link | undefined;
  #server: Promise<ServerReport> | undefined;
  #overdue = false;

  constructor(id: number, fault: Fault, traffic: Traffic) {
    this.#id = id;
    this.#fault = fault;
    this.traffic = traffic;
  }

  async listen(tls: boolean): Promise<void> {
    const listener = createTcpServer({ allowHalfOpen: true }, client => {
      listener.close();
      const server = connect({ port: tls ? ports.tls : ports.plain, allowHalfOpen: true });
      server.once('connect', () => byPort.set(server.localPort as number, this));
      const link = new Link(client, server, this.#fault, this.traffic.seed);
      this.#link = link;
      const deadline = setTimeout(() => {
        this.#overdue = true;
        link.reset();
      }, DEADLINE);
      void link.over.then(() => clearTimeout(deadline));
    });
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    const { port } = listener.address() as AddressInfo;
    if (this.#fault.refused) await once(listener.close(), 'close');
    tell('listening', { id: this.#id, port });
  }

  reached(event: Fault['at']): void {
    this.#link?.reached(event);
  }

  serve(socket: WebSocket): void {
    this.#server = served(socket, this);
  }

  /** The client has gone: tells how it was. */
  async end(): Promise<void> {
    this.#link?.release();
    await this.#link?.over;
    const server = await this.#server;
    const hit = this.#link?.hit ?? false;
    tell('saw', { id: this.#id, report: { hit, overdue: this.#overdue, server } });
    passages.delete(this.#id);
  }
}

/** Echoes what comes and checks it. */
async function served(socket: WebSocket, passage: Passage): Promise<ServerReport> {
  const ledger = new Ledger(passage.traffic.seed, passage.traffic.sizes);
  let pinged = 0;
  socket.on('message', (data: Buffer, isBinary) => {
    ledger.message(data, isBinary);
    passage.reached(ledger.received);
    // Before the message, because after the last one the client closes.
    if (ledger.received % MESSAGES_A_PING === 0) socket.ping(String(pinged++));
    socket.send(data, { binary: isBinary });
  });
  socket.on('ping', data => ledger.ping(data));
  socket.on('pong', data => ledger.pong(data));
  socket.on('error', () => {});
  // `ws` calls this to answer a Close frame, and tells nobody before.
  const close = socket.close.bind(socket);
  socket.close = (...frame) => {
    passage.reached('close');
    close(...frame);
  };
  const [code, reason] = await new Promise<[number, Buffer]>(resolve => {
    socket.on('close', (...end) => resolve(end));
  });
  const { received, problem, pings, pongs } = ledger;
  return { received, problem, pinged, pings, pongs, closed: `${code} ${reason}` };
}

async function listen(server: Server): Promise<number> {
  const sockets = new WebSocketServer({ server: server as never });
  // Before the listener of `ws`, which answers.
  server.prependListener('upgrade', (request: IncomingMessage) =>
    passageOf(request)?.reached('request'),
  );
  sockets.on('connection', (socket, request) => passageOf(request)?.serve(socket));
  server.on('tlsClientError', () => {});
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

function passageOf({ socket }: IncomingMessage): Passage | undefined {
  return byPort.get(socket.remotePort as number);
}

process.on('message', (command: Command) => {
  if ('gone' in command) return void passages.get(command.id)?.end();
  const passage = new Passage(command.id, command.fault, command.traffic);
  passages.set(command.id, passage);
  void passage.listen(command.tls);
});
const ports = {
  plain: await listen(createServer()),
  tls: await listen(createTlsServer(certificate)),
};
tell('running', { ca: certificate.cert });
