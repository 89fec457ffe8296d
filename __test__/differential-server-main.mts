// The process of a server that sends the streams of `differential-streams.mts`, the one that the path
// names, and keeps what clients answer.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';

import { frameLine } from './differential-log.mjs';
import { stream } from './differential-streams.mjs';
import { FrameReader } from './frames.mjs';
import { teller } from './server-process.mjs';

/** What the test asks for: the answers to a stream, by path. */
export interface Command {
  id: number;
  path: string;
}
export interface Answers {
  listening: { port: number };
  answered: { id: number; lines: string[] };
}

const tell = teller<Answers>();
const answers = new Map<string, Promise<string[]>>();

async function serve(socket: Socket): Promise<void> {
  socket.setNoDelay(true).on('error', () => {});
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()));
  const lines: string[] = [];
  const reader = new FrameReader();
  let request = '';
  const path = await new Promise<string>(resolve => {
    socket.on('data', (bytes: Buffer) => {
      if (request.endsWith('\r\n\r\n')) {
        lines.push(...reader.push(bytes).map(({ opcode, payload }) => frameLine(opcode, payload)));
        return;
      }
      request += bytes.toString('latin1');
      if (request.endsWith('\r\n\r\n')) resolve(/^GET (\S*)/.exec(request)?.[1] ?? '');
    });
    socket.once('close', () => resolve(''));
  });
  answers.set(
    path,
    closed.then(() => lines),
  );
  const key = /^sec-websocket-key: (.*)\r$/im.exec(request)?.[1];
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`,
  );
  const [, seed, number] = /^\/(\d+)\/(\d+)/.exec(path) ?? [];
  const { bytes, cuts } = stream(Number(seed), Number(number));
  let start = 0;
  for (const end of [...cuts, bytes.length]) {
    if (end > start) {
      socket.write(bytes.subarray(start, end));
      await immediate();
    }
    start = end;
  }
  socket.end();
}

process.on('message', async ({ id, path }: Command) => {
  const lines = (await answers.get(path)) ?? [];
  answers.delete(path);
  tell('answered', { id, lines });
});
const server = createServer({ allowHalfOpen: true }, socket => {
  socket.on('end', () => socket.end());
  void serve(socket);
});
await once(server.listen(0, '127.0.0.1'), 'listening');
tell('listening', { port: (server.address() as AddressInfo).port });
