// The process of servers that no one here wrote: `ws` on Node's `http` and `https`.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import type { TLSSocket } from 'node:tls';

import { type WebSocket, WebSocketServer } from 'ws';

import { type Certificate, makeCertificate } from './certificate.mjs';
import { teller } from './server-process.mjs';

export interface Answers {
  listening: {
    /** `certified` refuses clients without a certificate, `tls` does not. */
    ports: { plain: number; tls: number; certified: number };
    ca: string;
    /** A certificate that the servers trust. */
    client: Certificate;
  };
  /** How a connection of this number ended. */
  closed: { id: number; code: number; reason: string };
}

/** What a server says of an upgrade request when it is sent `upgrade`. */
export interface Upgrade {
  path: string;
  headers: Record<string, string>;
  /** The common name of the client's certificate, if it had one that is trusted. */
  client: string | null;
}

const tell = teller<Answers>();
const own = makeCertificate('ws server');
const client = makeCertificate('a trusted client');

function serve(server: Server): void {
  const sockets = new WebSocketServer({
    server: server as never,
    handleProtocols: offered => (offered.has('v2.feed') ? 'v2.feed' : false),
  });
  sockets.on('connection', (socket, request) => {
    const { url = '', headers } = request;
    const tls = request.socket as Partial<TLSSocket>;
    const upgrade = {
      path: url,
      headers,
      client: tls.authorized ? (tls.getPeerCertificate?.().subject.CN ?? null) : null,
    };
    answer(socket, JSON.stringify(upgrade));
    socket.on('close', (code, reason) => {
      const id = Number(/^\/(\d+)/.exec(url)?.[1]);
      tell('closed', { id, code, reason: reason.toString() });
    });
  });
}

function answer(socket: WebSocket, upgrade: string): void {
  socket.on('message', (data, isBinary) => {
    const text = isBinary ? '' : data.toString();
    if (text === 'upgrade') socket.send(upgrade);
    else if (text === 'ping me') socket.ping('are you there?');
    else if (text === 'close me') socket.close(4003, 'as you wish');
    else socket.send(data, { binary: isBinary });
  });
  socket.on('pong', data => socket.send(`pong ${data}`));
}

async function listen(server: Server): Promise<number> {
  serve(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

const tls = { ...own, ca: client.cert, requestCert: true };
const ports = {
  plain: await listen(createServer()),
  tls: await listen(createTlsServer({ ...tls, rejectUnauthorized: false })),
  certified: await listen(createTlsServer(tls)),
};
tell('listening', { ports, ca: own.cert, client });
