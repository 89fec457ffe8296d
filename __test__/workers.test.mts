// The addon in many worker threads, and channels that several of them share.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import test from 'ava';
import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9NonBlockingWebSocketClient as NonBlockingClient,
  Receiver,
  Sender,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';
import { WebSocketServer } from 'ws';

import { runChild } from './child-process.mjs';
import { trendOf } from './soak/trend.mjs';

/** A hundred workers, one after the other, take 35 s on a loaded machine. ava waits a minute for news. */
const DEADLINE = 55_000;

async function manyWorkers(workers: number, atOnce: number, messages: number) {
  const echo = await EchoServer.start();
  const args = [echo.url, workers, atOnce, messages].map(String);
  const nodeArguments = ['--expose-gc'];
  const end = await runChild('many-workers', args, { nodeArguments, deadline: DEADLINE });
  await echo.close();
  return end;
}

test.serial('eight_workers_have_three_clients_each_at_once', async t => {
  const { lines, ...end } = await manyWorkers(8, 8, 500);
  t.deepEqual(end, { code: 0, signal: null, stderr: '' });
  t.is(lines[0], String(8 * 3 * 500));
});

/** A worker leaves less behind than this: a client has read buffers of 64 KiB. */
const LEFT_BEHIND = 32 << 10;
/** Workers in which allocators find their sizes. */
const WARM_UP = 30;

test.serial('the_addon_is_loaded_and_unloaded_a_hundred_times', async t => {
  const { lines, ...end } = await manyWorkers(100, 1, 10);
  t.deepEqual(end, { code: 0, signal: null, stderr: '' });
  t.is(lines[0], String(100 * 3 * 10));
  const used: { rss: number; descriptors: number; threads: number }[] = JSON.parse(lines[1]!);
  const settled = used.slice(WARM_UP);
  const { slope, error } = trendOf(settled.map(({ rss }, x) => ({ x, y: rss })));
  t.log(`${Math.round(slope)} ± ${Math.round(error)} bytes a worker`);
  t.true(slope - 3 * error < LEFT_BEHIND, `${slope} ± ${error} bytes are left of each worker`);
  for (const what of ['descriptors', 'threads'] as const) {
    const least = Math.min(...settled.map(each => each[what]));
    // The kernel lists a thread for a moment after it was joined.
    t.true(settled.at(-1)![what] <= least + 1, `${what} grew to ${settled.at(-1)![what]}`);
  }
});

/** A worker with a client of its own, which connects and stays. */
const CONNECTS = `
  const { parentPort, workerData } = require('node:worker_threads');
  const client = require('s9-websocket').S9NonBlockingWebSocketClient.connectSync(workerData);
  parentPort.on('message', () => client.forceQuit());
  parentPort.postMessage('connected');
`;
/** Of so many sends one fails for certain once nobody holds the client's socket any more. */
const SENDS = 10;
/** More messages than a paused socket of Node reads ahead. */
const UNREAD = 8;

test.serial('the_end_of_a_worker_takes_no_close_from_the_peer_of_another_client', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  const echo = await EchoServer.start();
  const worker = new Worker(CONNECTS, { eval: true, workerData: echo.url });
  t.teardown(async () => {
    await worker.terminate();
    await echo.close();
    server.close();
  });
  await Promise.all([once(worker, 'message'), once(server, 'listening')]);
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');

  const arrival = once(server, 'connection');
  const client = await NonBlockingClient.connect(`ws://127.0.0.1:${address.port}`);
  const [socket] = await arrival;
  let received = 0;
  socket.on('message', () => received++);
  socket.on('error', () => {});
  const closed = once(socket, 'close');
  // It sends, and reads later.
  socket.pause();
  for (let number = 0; number < UNREAD; number++) client.sendBinaryMessage(Buffer.alloc(32_768));
  client[Symbol.dispose]();
  await worker.terminate();
  for (let sends = 0; sends < SENDS; sends++) {
    await new Promise(resolve => socket.send('still sending', resolve));
    await new Promise(setImmediate);
  }
  socket.resume();
  const [code] = await closed;
  t.deepEqual({ received, code }, { received: UNREAD, code: 1000 });
});

const WANTED = 10_000;

/** Sends numbers to the first client that says 'go', and a Close behind them. */
async function numberingPeer() {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', socket => {
    socket.once('message', () => {
      for (let number = 0; number < WANTED; number++) socket.send(String(number));
      socket.close(1000);
    });
  });
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return { url: `ws://127.0.0.1:${address.port}`, close: () => server.close() };
}

for (const ways of [
  ['iterate', 'iterate'],
  ['iterate', 'recvSync'],
  ['recv', 'recv'],
  ['recvSync', 'recvSync'],
  ['tryRecv', 'tryRecv'],
  ['drain', 'tryRecv'],
  ['drain', 'iterate', 'recv', 'recvSync'],
]) {
  test.serial(`${ways.join('_and_')}_in_workers_receive_each_event_once`, async t => {
    const peer = await numberingPeer();
    t.teardown(peer.close);
    const { lines, ...end } = await runChild('share-channel', [peer.url, ...ways]);
    t.deepEqual(end, { code: 0, signal: null, stderr: '' });
    const shares: number[][] = lines.map(line => JSON.parse(line));
    t.log(`shares: ${shares.map(share => share.length).join(', ')}`);
    for (const share of shares) {
      // Each worker gets its share in order.
      t.true(share.every((number, index) => index === 0 || number > (share[index - 1] ?? 0)));
    }
    t.deepEqual(
      shares.flat().sort((one, other) => one - other),
      Array.from({ length: WANTED }, (_, number) => number),
    );
  });
}

test('handles_that_nobody_has_are_refused', t => {
  for (const end of [Receiver, Sender]) {
    for (const unknown of [0n, 999_999_999n, 2n ** 64n - 1n]) {
      t.throws(() => end.fromHandle(unknown), {
        code: 'ERR_S9_CHANNEL_DISCONNECTED',
        message: /handle/,
      });
    }
    for (const wrong of [-1n, 2n ** 64n, 1, '1', null, undefined, {}]) {
      t.throws(() => end.fromHandle(wrong as bigint), {
        code: 'ERR_S9_INVALID_CONFIGURATION',
        message: /invalid handle: .* \(allowed: .*bigint\)/,
      });
    }
  }
});

function isOpen(events: bigint): boolean {
  try {
    return Receiver.fromHandle(events) !== undefined;
  } catch {
    return false;
  }
}

test('handles_outlive_the_end_of_the_connection_but_not_the_client', async t => {
  const echo = await EchoServer.start();
  t.teardown(() => echo.close());
  let handles: { events: bigint; control: bigint } | undefined;
  await (async () => {
    const client = await AsyncClient.connect(echo.url);
    handles = { events: client.eventRx.handle, control: client.controlTx.handle };
    const thread = client.run();
    client.controlTx.send({ type: 'close' });
    await thread.join();
    const receiver = Receiver.fromHandle(handles.events);
    const types = receiver.drain().map(event => event.type);
    t.deepEqual(types, ['activated', 'connectionClosed', 'quit']);
    await t.throwsAsync(receiver.recv(), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
    t.throws(() => receiver.tryRecv(), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
    t.throws(() => receiver.recvSync(), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
    t.deepEqual(receiver.drain(), []);
    const sender = Sender.fromHandle(handles.control);
    t.throws(() => sender.send({ type: 'sendText', text: 'too late' }), {
      code: 'ERR_S9_CONNECTION_CLOSED',
    });
    // What ends a connection that has ended has nothing to do.
    t.notThrows(() => sender.send({ type: 'close' }));
    t.notThrows(() => sender.send({ type: 'forceQuit' }));
  })();
  const { events, control } = handles!;
  // Asking makes an end of the channel again, which has to be collected too.
  for (let tries = 0; tries < 100 && isOpen(events); tries++) {
    for (let turn = 0; turn < 5; turn++) {
      globalThis.gc?.();
      await new Promise(setImmediate);
    }
  }
  t.throws(() => Receiver.fromHandle(events), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
  t.throws(() => Sender.fromHandle(control), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
});
