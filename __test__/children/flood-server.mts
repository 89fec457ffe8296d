// A server in a worker thread of its own that writes without end, and tells through shared memory when
// a write has blocked: then the client takes no more. What it writes is in the path: `/pings`, or
// `/messages/LENGTH`. Of a client's bytes it reads none but its Close, once it has stopped writing.

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

import { closeFrame, frame, Opcode } from '../frames.mjs';
import { upgradingPeer } from '../unhelpful-peers.mjs';

/** What this server and its clients share. */
export const enum Cell {
  /** 1 once a write has blocked, for whoever waits for it with `Atomics.wait`. */
  Blocked = 0,
  /** Frames written, those that the kernel has not taken among them. */
  Frames = 1,
  Bytes = 2,
  Count = 3,
}

/** A write that is not taken for that long is blocked: between two clients' turns there are some ms. */
const BLOCKED = 400;
/** More than any client may take. */
const MOST = 512 << 20;
const CHUNK = 64 << 10;

const cells = new Int32Array(workerData as SharedArrayBuffer);

function framesFor(path: string): Buffer {
  const [, what, length] = path.split('/');
  return what === 'pings'
    ? frame(Opcode.Ping, Buffer.alloc(125))
    : frame(Opcode.Binary, Buffer.alloc(Number(length), 'm'));
}

const peer = await upgradingPeer((socket, path) => {
  socket.pause();
  void flood(socket, framesFor(path), path === '/pings');
});
parentPort?.postMessage(peer.url);

async function flood(socket: Socket, one: Buffer, isUnread: boolean): Promise<void> {
  for (let cell = 0; cell < Cell.Count; cell++) Atomics.store(cells, cell, 0);
  const count = Math.ceil(CHUNK / one.length);
  const chunk = Buffer.concat(Array.from({ length: count }, () => one));
  let taken = true;
  while (taken && Atomics.load(cells, Cell.Bytes) < MOST && !socket.destroyed) {
    Atomics.add(cells, Cell.Frames, count);
    Atomics.add(cells, Cell.Bytes, chunk.length);
    const written = new Promise<boolean>(resolve => {
      socket.write(chunk, () => setImmediate(resolve, true));
    });
    taken = await Promise.race([written, delay(BLOCKED, false)]);
  }
  Atomics.store(cells, Cell.Blocked, 1);
  Atomics.notify(cells, Cell.Blocked);
  // A peer that has never read a pong goes without a word; the other lets itself be read to the end.
  if (isUnread) return void socket.resetAndDestroy();
  socket.write(closeFrame(1000));
  socket.resume();
  await once(socket, 'data');
  socket.end();
}
