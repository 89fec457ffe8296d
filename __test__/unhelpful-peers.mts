// Peers on the loopback interface that leave a client waiting, or give it no rest.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

export interface Peer {
  port: number;
  url: string;
  close(): Promise<void>;
}

/** RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** Accepts connections and never says a word. */
export function silentPeer(): Promise<Peer> {
  return listen(() => {});
}

/** Upgrades and then reads nothing. */
export function deafPeer(): Promise<Peer> {
  return upgradingPeer(socket => socket.pause());
}

/** Upgrades and then calls `upgraded`; the request is read, what follows is not looked at. */
export function upgradingPeer(upgraded: (socket: Socket, path: string) => void): Promise<Peer> {
  return listen(socket => {
    let request = '';
    const read = (chunk: Buffer): void => {
      request += chunk.toString('latin1');
      if (!request.includes('\r\n\r\n')) return;
      socket.off('data', read);
      const key = /sec-websocket-key: (.*)\r\n/i.exec(request)?.[1];
      const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      upgraded(socket, /^GET (\S+)/.exec(request)?.[1] ?? '');
    };
    socket.on('data', read);
  });
}

/**
 * Answers a connection's first bytes with `beginning`, in a thread of its own, and then sends a byte
 * every so many milliseconds for ever.
 */
export async function drippingPeer(beginning: Uint8Array, every: number): Promise<Peer> {
  const listener = new Worker(
    `const { createServer } = require('node:net');
    const { parentPort, workerData } = require('node:worker_threads');
    const server = createServer(socket => {
      let timer;
      socket.on('error', () => {}).on('close', () => clearInterval(timer));
      socket.once('data', () => {
        socket.write(workerData.beginning);
        timer = setInterval(() => socket.write('x'), workerData.every);
      });
    });
    server.listen({ port: 0, host: '127.0.0.1' }, () => {
      parentPort.postMessage(server.address().port);
    });`,
    { eval: true, workerData: { beginning, every } },
  );
  const [port] = await once(listener, 'message');
  return {
    port,
    url: `ws://127.0.0.1:${port}`,
    async close() {
      await listener.terminate();
    },
  };
}

/** Begins to accept an upgrade and never comes to an end. */
export function endlessPeer(): Promise<Peer> {
  return drippingPeer(Buffer.from('HTTP/1.1 101 Switching Protocols\r\nX-Endless: '), 20);
}

/** A text frame as a server sends it (RFC 6455, section 5.2), up to 65,535 bytes long. */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  const head = length < 126 ? [0x81, length] : [0x81, 126, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Listens with a full backlog and accepts nothing: a connect hangs in its TCP handshake. */
export async function unacceptingPeer(): Promise<Peer> {
  const listener = new Worker(
    `const { createServer } = require('node:net');
    const { parentPort } = require('node:worker_threads');
    const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`,
    { eval: true },
  );
  const [port] = await once(listener, 'message');
  // One more than its backlog fills it; of those beyond, none is answered.
  const fillers = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  await once(fillers[0]!, 'connect');
  return {
    port,
    url: `ws://127.0.0.1:${port}`,
    async close() {
      for (const filler of fillers) filler.destroy();
      await listener.terminate();
    },
  };
}

async function listen(accept: (socket: Socket) => void): Promise<Peer> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, socket => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `ws://127.0.0.1:${port}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
