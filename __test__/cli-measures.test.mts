// `s9ws serve` and `s9ws bench`: an echo server, and the round trips with one.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import test from 'ava';
import { type WebSocket, WebSocketServer } from 'ws';

import { plainEnvironment, S9WS, s9ws } from './command-line.mjs';
import { root } from './markdown.mjs';

const require = createRequire(import.meta.url);

const folder = mkdtempSync(join(tmpdir(), 's9ws-'));
test.after.always(() => rmSync(folder, { recursive: true }));

const WAYS = [
  'non-blocking, runSync',
  'non-blocking, run',
  'blocking, runSync',
  'blocking, run',
  'async',
  'ws',
];

/** Starts a server; resolves once it has told its URL. */
async function served(args: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [S9WS, 'serve', ...args], {
    env: plainEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [url] = await once(child.stdout!.setEncoding('utf8'), 'data');
  return { child, url: url.trim() };
}

test.serial('serve_echoes_until_a_signal_comes', async t => {
  const { child, url } = await served([]);
  const { stdout } = await s9ws([url, '-q'], { input: 'hello\n' });
  t.is(stdout, 'hello\n');
  child.kill('SIGINT');
  t.deepEqual(await once(child, 'close'), [0, null]);
  const { port } = new URL(url);
  const again = await served(['--port', port]);
  t.is(again.url, url);
  const taken = await s9ws(['serve', '--port', port]);
  t.regex(taken.stderr, /^s9ws: ERR_S9_IO: .*in use/);
  t.is(taken.code, 3);
  again.child.kill('SIGTERM');
  t.deepEqual(await once(again.child, 'close'), [0, null]);
});

test.serial('serve_writes_the_certificate_that_clients_trust', async t => {
  const ca = join(folder, 'ca.pem');
  const { child, url } = await served(['--tls', '--ca-out', ca]);
  t.regex(url, /^wss:/);
  const { stdout, stderr } = await s9ws([url, '--ca', ca, '-q'], { input: 'hello\n' });
  child.kill();
  t.is(stderr, '');
  t.is(stdout, 'hello\n');
});

for (const [measure, extra] of [
  ['text', []],
  ['binary', ['--size', '1000']],
  ['ping', ['--tls']],
] as const) {
  test.serial(`bench measures a ${measure} with every client`, async t => {
    const args = ['bench', '--measure', measure, '--seconds', '0.15', '--json', ...extra];
    const { code, stdout, stderr } = await s9ws(args);
    t.is(stderr, '');
    t.is(code, 0);
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
    t.deepEqual(
      rows.map(({ way }) => way),
      WAYS,
    );
    for (const { p50, p90, p99, max, count, way, ...row } of rows) {
      t.like(row, { measure, size: measure === 'text' ? 64 : measure === 'ping' ? 8 : 1000 });
      t.true(0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= max, way);
      t.true(count > 0);
    }
  });
}

test.serial('bench_prints_a_table_and_a_histogram_and_draws_a_chart', async t => {
  const svg = join(folder, 'chart.svg');
  const args = ['bench', '--seconds', '0.15', '--svg', svg, '--client', 'async', '--client', 'ws'];
  const { code, stdout, stderr } = await s9ws(args);
  t.is(stderr, '', 'no progress where there is no terminal');
  t.is(code, 0);
  const lines = stdout.trimEnd().split('\n');
  t.regex(lines[0]!, /^ws:\/\/127\.0\.0\.1:\d+, text, 64 bytes there and back$/);
  t.regex(lines[2]!, /^µs +count +p50 +p90 +p99 +p99\.9 +max +÷ ws$/);
  t.regex(lines[3]!, /^async( +[\d.]+){6} +\d+\.\d\d$/);
  t.regex(lines[4]!, /^ws( +[\d.]+){6} +1\.00$/);
  t.regex(lines[6]!, /^async +[▁▂▃▄▅▆▇█ ]+$/);
  t.true(lines.every(line => line.length <= 80));
  const chart = readFileSync(svg, 'utf8');
  t.regex(chart, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  t.is(chart.match(/<polyline /g)?.length, 2);
  t.notRegex(chart, /NaN|Infinity|undefined/);
});

test.serial('bench_sends_every_client_the_same_request_and_shows_no_password', async t => {
  const requests: IncomingMessage[] = [];
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(sockets, 'listening');
  sockets.on('connection', (_, request) => requests.push(request));
  const { port } = sockets.address() as AddressInfo;
  const svg = join(folder, 'secret.svg');
  const headers = ['-H', 'X-Twice: 1', '-H', 'X-Once: 1', '-H', 'x-twice: 2'];
  const wanted = ['--seconds', '0.1', '--client', 'async', '--client', 'ws', '--svg', svg];
  const url = `ws://name:secret@127.0.0.1:${port}`;
  for (const extra of [[], ['--json']]) {
    const { code, stdout, stderr } = await s9ws(['bench', url, ...headers, ...wanted, ...extra]);
    t.is(code, 0, stderr);
    t.notRegex(stdout + stderr + readFileSync(svg, 'utf8'), /secret/);
    t.true(stdout.includes(`ws://***@127.0.0.1:${port}`));
  }
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  const asked = requests.map(({ headers }) => [
    headers['x-twice'],
    headers['x-once'],
    headers.authorization,
  ]);
  t.is(new Set(asked.map(String)).size, 1, JSON.stringify(asked));
  t.deepEqual(asked[0]?.slice(0, 2), ['1, 2', '1']);
});

test.serial('bench_begins_to_count_once_it_is_connected', async t => {
  const server = createServer();
  const sockets = new WebSocketServer({ noServer: true });
  let last = Promise.resolve();
  server.on('upgrade', (request, socket, head) => {
    // Longer than a whole measurement, and the server's to take.
    last = delay(600).then(() =>
      sockets.handleUpgrade(request, socket, head, socket => socket.on('error', () => {})),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ['bench', url, '--seconds', '0.9', '--json', '--client', 'async', '--client', 'ws'];
  const { code, stdout, stderr } = await s9ws(args);
  await last;
  server.close();
  t.is(code, 0, stderr);
  for (const line of stdout.trimEnd().split('\n')) {
    const { count, way } = JSON.parse(line);
    t.true(count > 30, `${way}: ${count} round trips in 0.9 s`);
  }
});

test('a_share_of_the_round_trips_takes_no_longer_than_its_percentile', t => {
  const { Distribution } = require(join(root, 'dist', 'cli', 'distribution.js'));
  const at = (times: number[], share: number) =>
    new Distribution([Float64Array.from(times)]).at(share);
  t.is(at([2, 1], 0.5), 1);
  t.is(at([3, 1, 2], 0.5), 2);
  t.is(at([4, 3, 2, 1], 0.75), 3);
  t.is(at([2, 1], 0), 1);
  t.is(at([2, 1], 1), 2);
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  t.is(at(hundred, 0.9), 90);
  t.is(at(hundred, 0.99), 99);
  t.is(at(hundred, 0.999), 100);
});

test.serial('bench_says_why_it_cannot_measure', async t => {
  const absent = await s9ws(['bench', 'ws://127.0.0.1:1']);
  t.regex(absent.stderr, /^s9ws: ERR_S9_IO: .*refused/);
  t.is(absent.code, 3);

  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false });
  await once(sockets, 'listening');
  const url = `ws://127.0.0.1:${(sockets.address() as { port: number }).port}`;
  const none = await s9ws(['bench', url, '--measure', 'text']);
  t.regex(none.stderr, /^s9ws: no answer within 5 s: is it an echo server\?/);
  t.is(none.code, 5);

  // Goes away in the middle.
  let answered = 0;
  sockets.on('connection', (socket: WebSocket) =>
    socket.on('ping', data => (++answered > 20 ? socket.close(1013, 'busy') : socket.pong(data))),
  );
  const broken = await s9ws(['bench', url, '--client', 'async']);
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  t.regex(broken.stderr, /^s9ws: async: the server closed the connection: 1013 busy/);
  t.is(broken.code, 5);

  const chart = await s9ws(['bench', '--seconds', '0.1', '--client', 'async', '--svg', folder]);
  t.regex(chart.stderr, /^s9ws: --svg: ".*" cannot be written: EISDIR/);
  t.is(chart.code, 2);
});
