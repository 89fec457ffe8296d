// The programs of `examples/`, each run as a user would run it, against a server of this process.

import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { pathToFileURL } from 'node:url';

import test from 'ava';
import { EchoServer } from 's9-websocket/testing';
import { WebSocketServer } from 'ws';

import { makeCertificate } from './certificate.mjs';
import { type ChildOptions, runProgram } from './child-process.mjs';
import { root } from './markdown.mjs';

const compiled = (path: string) => join(root, 'examples', 'dist', `${path}.mjs`);
const load = (path: string) => import(pathToFileURL(compiled(path)).href);
const run = (path: string, args: string[], options?: ChildOptions) =>
  runProgram(compiled(path), args, options);

/** The examples are compiled by themselves; of their types the tests need this much. */
interface Book {
  apply(message: object): string;
  levels(side: string): unknown;
  readonly sequence: number | undefined;
}
interface Exchange extends AsyncDisposable {
  readonly url: string;
  readonly book: Book;
  readonly sequence: number;
}
const { Exchange } = await load('order-book/exchange');
const { OrderBook } = await load('order-book/order-book');
const startExchange = (options: object): Promise<Exchange> => Exchange.start(options);

const SYMBOL = 'BTC-USD';

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 's9-websocket-examples-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('the_book_notices_every_gap_and_takes_nothing_until_the_next_snapshot', t => {
  const book: Book = new OrderBook();
  const snapshot = (sequence: number) => ({
    type: 'snapshot',
    sequence,
    bids: [
      ['9.50', '1'],
      ['10.00', '2'],
    ],
    asks: [['10.50', '3']],
  });
  const update = (sequence: number, price: string, quantity: string) =>
    book.apply({ type: 'update', sequence, side: 'bid', price, quantity });
  t.is(update(4, '9.00', '1'), 'ignored', 'nothing to apply it to');
  t.is(book.apply(snapshot(5)), 'applied');
  t.is(update(5, '9.00', '1'), 'ignored', 'the snapshot has it');
  t.is(update(6, '9.00', '1'), 'applied');
  t.is(update(7, '10.00', '0'), 'applied');
  t.deepEqual(book.levels('bid'), [
    ['9.50', '1'],
    ['9.00', '1'],
  ]);
  t.is(book.apply({ type: 'heartbeat', sequence: 7 }), 'ignored');
  t.is(update(9, '9.00', '2'), 'gap');
  t.is(update(10, '9.00', '2'), 'ignored');
  t.is(book.apply(snapshot(11)), 'applied');
  t.is(book.apply({ type: 'heartbeat', sequence: 12 }), 'gap', 'the last update was lost');
});

test('the_recorder_has_the_book_of_the_exchange_after_gaps_and_broken_connections', async t => {
  // Some 5 s: connections break at three updates, 38 get lost, the last among them.
  const options = { interval: 2, updates: 2050, loseEvery: 50, breakEvery: 600 };
  await using exchange = await startExchange(options);
  await inFolder(async folder => {
    const file = join(folder, 'recording.ndjson');
    const recorded = async () => {
      const text = await readFile(file, 'utf8').catch(() => '');
      const lines = text.split('\n').slice(0, -1);
      return lines.map(line => JSON.parse(line) as { at: number; message: object });
    };
    const replayed = async () => {
      const book: Book = new OrderBook();
      for (const { message } of await recorded()) book.apply(message);
      return book;
    };
    let stop = () => {};
    const running = run('order-book/recorder', [exchange.url, SYMBOL, file], {
      onLine: (_, kill) => {
        stop = () => kill('SIGTERM');
      },
    });
    let hasEnded = false;
    void running.finally(() => {
      hasEnded = true;
    });
    // What it writes is in the file a moment later.
    while (!hasEnded && (await replayed()).sequence !== options.updates) await delay(50);
    stop();
    const end = await running;
    t.deepEqual([end.code, end.signal, end.stderr], [0, null, '']);
    const book = await replayed();
    t.is(book.sequence, options.updates);
    t.deepEqual(book.levels('bid'), exchange.book.levels('bid'));
    t.deepEqual(book.levels('ask'), exchange.book.levels('ask'));
    const count = (pattern: RegExp) => end.lines.filter(line => pattern.test(line)).length;
    const log = end.lines.join('\n');
    t.true(count(/^ERR_S9_(CONNECTION_CLOSED|IO)/) >= 2, log);
    t.true(count(/^connecting again in \d+ ms$/) >= 2, log);
    t.true(count(/^gap before/) >= 10, log);
    t.true(count(/^snapshot/) >= count(/^gap before/), log);
    t.is(end.lines.at(-1), 'closed: 1000');
    const times = (await recorded()).map(({ at }) => at);
    t.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    t.true(Math.abs(times.at(-1)! - Date.now()) < 60_000, 'times are those of the wall clock');
  });
});

test('the_recorder_waits_longer_each_time_for_a_server_that_is_down', async t => {
  // Free a moment ago, and nobody has it since.
  const server = createTcpServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  const waits: number[] = [];
  await inFolder(async folder => {
    const args = [`ws://127.0.0.1:${port}`, SYMBOL, join(folder, 'recording')];
    const end = await run('order-book/recorder', args, {
      onLine(line, kill) {
        const wait = /^connecting again in (\d+) ms$/.exec(line)?.[1];
        if (wait && waits.push(Number(wait)) === 4) kill('SIGTERM');
      },
    });
    t.deepEqual([end.code, end.signal, end.stderr], [0, null, '']);
  });
  for (const [index, wait] of waits.entries()) {
    const longest = 100 * 2 ** index;
    t.true(wait >= longest / 2 && wait <= longest, `${waits}`);
  }
});

test('the_recorder_gives_up_where_trying_again_is_of_no_use', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', verifyClient: () => false });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await inFolder(async folder => {
    const args = [`ws://127.0.0.1:${port}`, SYMBOL, join(folder, 'recording')];
    const end = await run('order-book/recorder', args);
    t.is(end.code, 1);
    t.regex(end.stderr, /ERR_S9_HANDSHAKE/);
  });
  server.close();
});

test('the_recorder_gives_up_where_the_certificate_is_not_trusted', async t => {
  await using echo = await EchoServer.start({ tls: true });
  await inFolder(async folder => {
    const end = await run('order-book/recorder', [echo.url, SYMBOL, join(folder, 'recording')]);
    t.is(end.code, 1);
    t.regex(end.stderr, /ERR_S9_TLS/);
  });
});

test('the_latency_probe_prints_percentiles_of_any_server', async t => {
  await using echo = await EchoServer.start();
  const end = await run('latency-probe', [echo.url, '200']);
  t.deepEqual([end.code, end.stderr], [0, '']);
  const trips = end.lines.map(line => /^(\w+) +(\d+\.\d) µs$/.exec(line)?.slice(1) ?? line);
  t.deepEqual(
    trips.map(([name]) => name),
    ['p50', 'p90', 'p99', 'max'],
  );
  const values = trips.map(([, value]) => Number(value));
  t.deepEqual(
    values,
    values.toSorted((a, b) => a - b),
  );
  t.true(values[0]! > 0);
});

test('the_latency_probe_fails_where_the_server_closes_before_the_last_pong', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  server.on('connection', socket => socket.on('ping', () => socket.close(1001, 'enough')));
  const { port } = server.address() as AddressInfo;
  const end = await run('latency-probe', [`ws://127.0.0.1:${port}`]);
  t.is(end.code, 1);
  t.regex(end.stderr, /^closed after \d pongs: 1001 enough\n$/);
  server.close();
});

test('the_strategy_in_a_worker_obeys_its_limit_and_ends_after_its_orders', async t => {
  await using exchange = await startExchange({ interval: 1 });
  const args = [exchange.url, SYMBOL, '100.05', '5'];
  const end = await run('worker-strategy/main', args);
  t.deepEqual([end.code, end.stderr], [0, '']);
  const prices = end.lines.flatMap(line => /^bought at (\S+)$/.exec(line)?.[1] ?? []);
  t.true(prices.length >= 5, end.lines.join('\n'));
  t.true(prices.every(price => Number(price) <= 100.05));
  t.regex(end.lines.at(-1)!, /^median reaction \d+ µs$/);
});

test('two_workers_share_the_events_of_one_connection_and_send_over_it', async t => {
  await using exchange = await startExchange({ interval: 1 });
  const end = await run('two-workers/main', [exchange.url, SYMBOL, '500']);
  t.deepEqual([end.code, end.stderr], [0, '']);
  const [, updates, orders] = /^(\d+) updates, (\d+) orders accepted$/.exec(end.lines[0]!)!;
  t.true(Number(updates) >= 500, end.lines[0]);
  t.true(Number(orders) > 0, end.lines[0]);
});

test('header_fields_and_a_client_certificate_are_presented', async t => {
  const server = makeCertificate('server');
  const client = makeCertificate('client');
  const https = createServer({ ...server, ca: client.cert, requestCert: true });
  let requests = 0;
  const upgrades = new WebSocketServer({
    server: https,
    verifyClient({ req }, accept) {
      requests++;
      accept(req.headers.authorization === 'Bearer secret', 401, 'no such token');
    },
  });
  upgrades.on('connection', (socket, request) => {
    const peer = (request.socket as TLSSocket).getPeerCertificate();
    const agent = request.headers['user-agent'];
    socket.on('message', () => socket.send(`${peer.subject.CN} by ${agent}`));
  });
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  const url = `wss://localhost:${(https.address() as AddressInfo).port}`;
  await inFolder(async folder => {
    const put = (name: string, text: string) => writeFile(join(folder, name), text);
    await put('ca.pem', server.cert);
    await put('cert.pem', client.cert);
    await put('key.pem', client.key);
    const connect = (TOKEN: string) =>
      run('headers-and-certificates', [url, folder], { env: { TOKEN } });

    const allowed = await connect('secret');
    t.deepEqual(allowed, {
      code: 0,
      signal: null,
      lines: ['speaking feed.v2 with 127.0.0.1', 'client by headers-example/1.0', 'closed: 1000'],
      stderr: '',
    });
    const refused = await connect('guessed');
    t.deepEqual([refused.code, refused.lines], [1, []]);
    t.is(refused.stderr, 'ERR_S9_HANDSHAKE 401 no such token\n');

    await put('cert.pem', server.cert);
    await put('key.pem', server.key);
    const stranger = await connect('secret');
    t.is(stranger.code, 1);
    t.regex(stranger.stderr, /^ERR_S9_/);

    await put('cert.pem', client.cert);
    await put('key.pem', client.key);
    await put('ca.pem', makeCertificate('server').cert);
    const before = requests;
    const suspicious = await connect('secret');
    t.is(suspicious.code, 1);
    t.regex(suspicious.stderr, /^ERR_S9_TLS/);
    t.is(requests, before, 'the token was not sent');
  });
  upgrades.close();
  https.close();
});

test('on_sigterm_everything_accepted_is_sent_before_the_close', async t => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  let received = 0;
  const connected = once(server, 'connection');
  const closed = connected.then(([socket]) => {
    socket.on('message', () => received++);
    return once(socket, 'close');
  });
  const { port } = server.address() as AddressInfo;
  const end = await run('graceful-shutdown', [`ws://127.0.0.1:${port}`], {
    onLine: (line, kill) => line === 'running' && connected.then(() => kill('SIGTERM')),
  });
  const [code, reason] = await closed;
  t.deepEqual(end, {
    code: 0,
    signal: null,
    lines: ['running', 'closed: 1001 shutting down', `sent ${received}`],
    stderr: '',
  });
  t.deepEqual([code, `${reason}`], [1001, 'shutting down']);
  server.close();
});

for (const [code, exitCode] of [
  [1000, 0],
  [1008, 1],
] as const) {
  test(`graceful_shutdown_exits_with_${exitCode}_where_the_server_closes_with_${code}`, async t => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    server.on('connection', socket => socket.on('message', () => socket.close(code)));
    const { port } = server.address() as AddressInfo;
    const end = await run('graceful-shutdown', [`ws://127.0.0.1:${port}`]);
    t.deepEqual([end.code, end.signal, end.stderr], [exitCode, null, '']);
    t.true(end.lines.includes(`closed: ${code}`), end.lines.join('\n'));
    server.close();
  });
}

for (const [title, signals] of [
  ['a_server_that_does_not_answer_the_close_is_waited_for_until_the_deadline', 1],
  ['a_second_signal_ends_at_once', 2],
] as const) {
  test(title, async t => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    // Reads no more, and so never sees the Close frame.
    server.on('connection', (_, request) => request.socket.pause());
    const { port } = server.address() as AddressInfo;
    const end = await run('graceful-shutdown', [`ws://127.0.0.1:${port}`], {
      onLine(line, kill) {
        if (line !== 'running') return;
        kill('SIGTERM');
        // Two signals of one kind may become one.
        if (signals === 2) kill('SIGINT');
      },
    });
    t.deepEqual([end.code, end.signal, end.stderr], [2, null, '']);
    t.is(end.lines.includes('closed: 1006'), signals === 1, end.lines.join('\n'));
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
}
