// Servers that try to use up the memory or the time of a client, in every way to run it: both stay
// bounded, and what ends in an error ends in one that says why.

import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import test, { type ExecutionContext } from 'ava';
import { S9NonBlockingWebSocketClient, S9WebSocketError } from 's9-websocket';

import { Cell } from './children/flood-server.mjs';
import { closeFrame, frame, Opcode } from './frames.mjs';
import { ACCEPT, type Step } from './script.mjs';
import { ScriptedServer } from './scripted-server.mjs';
import { drippingPeer } from './unhelpful-peers.mjs';
import { type Options, observed, told, WAYS } from './ways.mjs';

const MIB = 1 << 20;
/** Far above what anything here takes: what takes longer hangs. */
const HANGS = 30_000;
/** What a garbage collector, an allocator and the kernel's accounting may add to any bound. */
const SLACK = 48 * MIB;

let server: ScriptedServer;
let flooding: { url: string; cells: Int32Array; worker: Worker };
test.before(async () => {
  server = await ScriptedServer.start();
  const memory = new SharedArrayBuffer(Cell.Count * Int32Array.BYTES_PER_ELEMENT);
  const worker = new Worker(new URL('children/flood-server.mjs', import.meta.url), {
    workerData: memory,
  });
  const [url] = await once(worker, 'message');
  flooding = { url, cells: new Int32Array(memory), worker };
});
test.after.always(async () => {
  server.stop();
  await flooding.worker.terminate();
});

/** What this process has in memory, once what is garbage has gone. */
function resident(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

function isBelow(t: ExecutionContext, grown: number, limit: number, what: string): void {
  t.log(`${what}: ${(grown / MIB).toFixed(1)} MiB of ${limit / MIB}`);
  t.true(grown < limit, `${what} grew by ${grown} bytes; at most ${limit} were to be seen`);
}

const EMPTY = frame(Opcode.Continuation, '', { fin: false });
/** All that the limits allow, and not a byte of it. */
const ANNOUNCED = frame(Opcode.Binary, '', { announced: BigInt(16 * MIB) });

/** How a server begins that then goes on byte by byte. */
const DRIPPING: Record<string, Uint8Array> = {
  // The header of a handshake record of 16 KiB (RFC 8446, section 5.1).
  tls: Buffer.of(22, 3, 3, 0x40, 0),
  an_upgrade: Buffer.from('HTTP/1.1 101 Switching Protocols\r\nX-Slow: '),
};

/** Of a client on a thread: as much as its channel holds, by events or by bytes. */
const EVENTS = 65_536;
const BYTES = 64 * MIB;
const CAPACITY = { eventCapacity: 256, eventCapacityBytes: 4 * MIB };

for (const [name, way] of Object.entries(WAYS)) {
  for (const length of [64, 1 << 10, MIB]) {
    test.serial(`${name}_in_slow_javascript_holds_a_fast_server_of_${length}_bytes_up`, t =>
      heldUp(t, name, length),
    );
  }

  test.serial(`${name}_reads_no_more_pings_than_it_can_answer`, async t => {
    const before = resident();
    let most = 0;
    let pings = 0;
    const events = await pinged(t, name, () => {
      if (++pings % 10_000 === 0) most = Math.max(most, process.memoryUsage.rss() - before);
    });
    isBelow(t, Atomics.load(flooding.cells, Cell.Bytes), 64 * MIB, 'what the server wrote');
    isBelow(t, most, 64 * MIB, 'memory');
    // Whoever is told of the reset first, a pong or a read.
    t.regex(events.join(), /^activated,error ERR_S9_(IO|CONNECTION_CLOSED),quit$/);
  });

  test.serial(`${name}_takes_a_million_empty_fragments`, async t => {
    const before = resident();
    const million = Buffer.concat(Array.from({ length: 1_000_000 }, () => EMPTY));
    const steps: Step[] = [
      ACCEPT,
      { send: frame(Opcode.Text, 'be', { fin: false }) },
      { send: million },
      { send: Buffer.concat([frame(Opcode.Continuation, 'gin'), closeFrame(1000)]) },
      { end: 'fin' },
    ];
    const scene = await server.play(steps);
    const begun = performance.now();
    const events = await observed(t, way, scene.url, scene.options);
    t.deepEqual(told(events), ['activated', 'text begin', 'closed 1000 null', 'quit']);
    t.true(performance.now() - begun < HANGS);
    isBelow(t, resident() - before, SLACK, 'memory');
  });

  test.serial(`${name}_reserves_nothing_for_frames_that_are_only_announced`, async t => {
    const before = resident();
    for (let turn = 0; turn < 10; turn++) {
      const scene = await server.play([ACCEPT, { send: ANNOUNCED }, { end: 'fin' }]);
      const events = await observed(t, way, scene.url, scene.options);
      t.deepEqual(told(events), ['activated', 'error ERR_S9_CONNECTION_CLOSED', 'quit']);
    }
    isBelow(t, resident() - before, SLACK, 'memory');
  });

  for (const [where, beginning] of Object.entries(DRIPPING)) {
    test.serial(`${name}_does_not_wait_for_${where}_that_comes_byte_by_byte`, async t => {
      const peer = await drippingPeer(beginning, 20);
      t.teardown(() => peer.close());
      const url = where === 'tls' ? peer.url.replace('ws:', 'wss:') : peer.url;
      const begun = performance.now();
      const running = way.run(url, { connectTimeout: 200 }, event => t.fail(`${event.type} came`));
      const error = await t.throwsAsync(running, { instanceOf: S9WebSocketError });
      t.is(error.code, 'ERR_S9_TIMEOUT');
      t.regex(error.message, where === 'tls' ? /TLS.* timed out/ : /upgrade timed out/);
      const took = performance.now() - begun;
      t.true(took >= 200 && took < HANGS, `${took} ms`);
    });
  }
}

/** A client whose JavaScript stops at the first message until the server's write has blocked. */
async function heldUp(t: ExecutionContext, name: string, length: number): Promise<void> {
  const isOnThread = /thread|blocking_run$/.test(name);
  const options = name === 'async_channels' ? CAPACITY : {};
  const { url, cells } = flooding;
  let received = 0;
  let grown = 0;
  let written = 0;
  const before = resident();
  const events: string[] = [];
  await WAYS[name]!.run(`${url}/messages/${length}`, options as Options, event => {
    if (event.type !== 'binaryMessage') return void events.push(event.type);
    if (received++ > 0) return;
    // As slow as can be: nothing of this thread goes on until the server's write has blocked.
    const outcome = Atomics.wait(cells, Cell.Blocked, 0, HANGS);
    t.not(outcome, 'timed-out', 'the server was never held up');
    written = Atomics.load(cells, Cell.Bytes);
    grown = resident() - before;
  });
  // What the kernel's buffers hold, some MiB on either side, and what a channel does.
  const held = isOnThread ? Math.min(EVENTS * (length + 64), BYTES) + length : 0;
  isBelow(t, written, held + SLACK, 'what the server wrote');
  isBelow(t, grown, 2 * held + SLACK, 'memory');
  t.is(received, Atomics.load(cells, Cell.Frames));
  t.deepEqual(events, ['activated', 'connectionClosed', 'quit']);
}

/** A client of a server that pings without end and reads no pong; what it is told but for the pings. */
async function pinged(t: ExecutionContext, name: string, ping: () => void): Promise<string[]> {
  const events: string[] = [];
  await WAYS[name]!.run(`${flooding.url}/pings`, {}, event => {
    if (event.type === 'ping') ping();
    else events.push(event.type === 'error' ? `error ${event.error.code}` : event.type);
  });
  t.is(Atomics.load(flooding.cells, Cell.Blocked), 1);
  return events;
}

test.serial('many_connections_reserve_nothing_for_frames_that_are_only_announced', async t => {
  const before = resident();
  let most = 0;
  for (let round = 0; round < 2; round++) {
    const clients: S9NonBlockingWebSocketClient[] = [];
    for (let count = 0; count < 64; count++) {
      const { url } = await server.play([ACCEPT, { send: ANNOUNCED }]);
      clients.push(await S9NonBlockingWebSocketClient.connect(url, { spinWaitDuration: 1_000 }));
    }
    const runs = clients.map(client => client.run({}));
    // All have read their header by then, or the bound is kept all the more.
    await delay(200);
    most = Math.max(most, resident() - before);
    for (const client of clients) client.forceQuit();
    await Promise.all(runs);
  }
  // 64 times 16 MiB were announced; a client itself takes some 100 KiB.
  isBelow(t, most, 64 * MIB, 'memory');
});

test.serial('fragments_without_end_leave_the_event_loop_to_others', async t => {
  const endless = EMPTY.toString('latin1').repeat(1_000);
  const steps: Step[] = [ACCEPT, { send: frame(Opcode.Text, '', { fin: false }) }, { endless }];
  const scene = await server.play(steps);
  const client = await S9NonBlockingWebSocketClient.connect(scene.url, { closeTimeout: 100 });
  const before = resident();
  const codes: number[] = [];
  const running = client.run({ onConnectionClosed: (_client, _reason, code) => codes.push(code) });
  for (let turn = 0; turn < 20; turn++) await delay(10);
  isBelow(t, resident() - before, SLACK, 'memory');
  client.close();
  await running;
  t.deepEqual(codes, [1006]);
});
