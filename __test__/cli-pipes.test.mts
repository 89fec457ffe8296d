// `s9ws URL` between pipes: what it sends and prints, and with which exit code it ends.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import test from 'ava';
import { EchoServer } from 's9-websocket/testing';
import { type WebSocket, WebSocketServer } from 'ws';

import { plainEnvironment, S9WS, s9ws } from './command-line.mjs';
import { root } from './markdown.mjs';

const CLIENTS = ['async', 'non-blocking', 'blocking'] as const;

const folder = mkdtempSync(join(tmpdir(), 's9ws-'));
let echo: EchoServer;
let secure: EchoServer;
test.before(async () => {
  echo = await EchoServer.start();
  secure = await EchoServer.start({ tls: true });
  writeFileSync(join(folder, 'ca.pem'), secure.ca ?? '');
});
test.after.always(async () => {
  await echo.close();
  await secure.close();
  rmSync(folder, { recursive: true });
});

/** A server by `ws` for one test; `serve` is called for each connection. */
async function server(serve: (socket: WebSocket, request: IncomingMessage) => void, options = {}) {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  await once(sockets, 'listening');
  sockets.on('connection', (socket, request) => {
    socket.on('error', () => {});
    serve(socket, request);
  });
  return {
    url: `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`,
    [Symbol.dispose]() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}

/** A server that sends on and on; `heldUp` tells how many bytes, once they are taken no further. */
async function flooding() {
  const [heldUp, isHeldUp] = promise<number>();
  const payload = 'x'.repeat(65_536);
  const { url, [Symbol.dispose]: dispose } = await server(socket => {
    let sent = 0;
    const more = () => {
      if (socket.readyState !== socket.OPEN) return;
      // What `ws` keeps is not sent.
      if (socket.bufferedAmount > 8 << 20) return isHeldUp(sent);
      socket.send(payload);
      sent += payload.length;
      if (sent > 1 << 30) return isHeldUp(sent);
      setImmediate(more);
    };
    more();
  });
  return { url, heldUp, [Symbol.dispose]: dispose };
}

const OUTPUT = join(root, 'dist', 'cli', 'output.js');

/** Writes more notes than may wait, and tells whether they fill the output, now and later. */
const FILLS_ITS_STDERR = `
  const { writeSync } = require('node:fs');
  const { Output } = require(process.argv[1]);
  const output = new Output();
  const tell = () => writeSync(1, 'full ' + output.isFull + '\\n');
  for (let at = 0; at < 64; at++) output.note('x'.repeat(65_536));
  tell();
  output.hasRoom().then(tell);
`;

/** Windows knows no signals: there, they end a process. */
const onPosix = process.platform === 'win32' ? test.serial.skip : test.serial;

const jsonLines = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));

for (const client of CLIENTS) {
  test.serial(`${client}: lines of a pipe are sent, and what comes back is printed`, async t => {
    const input = 'one\r\nzwei\n\nпривет\nlast';
    const { code, stdout, stderr } = await s9ws([echo.url, '--client', client], { input });
    t.is(stdout, 'one\nzwei\n\nпривет\nlast\n');
    t.is(stderr, `connected to ${echo.url} (101)\nclosed 1000\n`);
    t.is(code, 0);
  });

  test.serial(
    `${client}: a peer that does not read holds up a pipe that is longer than memory`,
    async t => {
      using stalled = await server(socket => socket.pause());
      let produced = 0;
      const line = Buffer.from(`${'x'.repeat(65_535)}\n`);
      const input = new Readable({
        highWaterMark: 1,
        read() {
          produced += line.length;
          this.push(produced > 1 << 30 ? null : line);
        },
      });
      const { code } = await s9ws([stalled.url, '--client', client, '--timeout', '1'], { input });
      t.is(code, 5, 'closed without an answer');
      t.true(produced > 1 << 20, `${produced} bytes`);
      t.true(produced < 64 << 20, `${produced} bytes taken in for a peer that reads nothing`);
    },
  );

  test.serial(`${client}: a reader that does not read holds up the peer`, async t => {
    using flood = await flooding();
    const child = spawn(process.execPath, [S9WS, flood.url, '--client', client, '-nq'], {
      env: plainEnvironment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const sent = await flood.heldUp;
    child.kill('SIGKILL');
    t.true(sent < 256 << 20, `${sent} bytes sent to a pipe that nobody reads`);
  });

  onPosix(`${client}: a signal ends what a reader that does not read holds up`, async t => {
    using flood = await flooding();
    const child = spawn(process.execPath, [S9WS, flood.url, '--client', client, '-nq'], {
      env: plainEnvironment(),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await flood.heldUp;
    child.kill('SIGTERM');
    // Two that come together may count as one.
    const again = setInterval(() => child.kill('SIGTERM'), 50);
    const hanging = setTimeout(() => child.kill('SIGKILL'), 10_000);
    const [code, signal] = await once(child, 'exit');
    clearInterval(again);
    clearTimeout(hanging);
    t.true(code === 143 || signal === 'SIGTERM', `${code} ${signal}`);
  });

  test.serial(`${client}: an end of the pipe that is read no further is quiet`, async t => {
    using endless = await server(socket => {
      const timer = setInterval(() => socket.send('again'), 1);
      socket.on('close', () => clearInterval(timer));
    });
    const child = spawn(process.execPath, [S9WS, endless.url, '--client', client, '-n'], {
      env: plainEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', text => {
      stderr += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    t.deepEqual(await once(child, 'close'), [0, null]);
    t.is(stderr, `connected to ${endless.url} (101)\n`);
  });
}

// The other one is slow enough for pings to pile up at the server in any case.
for (const client of ['non-blocking', 'blocking']) {
  test.serial(`${client}: a reader that does not read notes holds up the peer`, async t => {
    let pings = 0;
    const [heldUp, isHeldUp] = promise<void>();
    const payload = 'x'.repeat(125);
    using pinging = await server(socket => {
      const more = () => {
        if (socket.readyState !== socket.OPEN) return;
        if (socket.bufferedAmount > 1 << 20 || pings > 400_000) return isHeldUp();
        for (let at = 0; at < 200; at++) socket.ping(payload);
        pings += 200;
        setImmediate(more);
      };
      more();
    });
    const child = spawn(process.execPath, [S9WS, pinging.url, '--client', client, '-n'], {
      env: plainEnvironment(),
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    await heldUp;
    child.kill('SIGKILL');
    t.true(pings < 400_000, `${pings} pings shown to nobody`);
  });
}

test.serial('notes_that_nobody_reads_fill_the_output_until_they_are_read', async t => {
  const child = spawn(process.execPath, ['-e', FILLS_ITS_STDERR, OUTPUT], {
    env: plainEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill());
  const [told] = await once(child.stdout.setEncoding('utf8'), 'data');
  t.is(told, 'full true\n');
  const rest = once(child.stdout, 'data');
  child.stderr.resume();
  t.deepEqual(await rest, ['full false\n']);
  t.deepEqual(await once(child, 'close'), [0, null]);
});

test.serial('json_prints_every_event_a_line', async t => {
  using chatty = await server(
    socket => {
      socket.send('text');
      socket.send(Buffer.of(0, 255));
      socket.ping('you?');
      socket.on('pong', () => socket.close(4001, 'enough'));
    },
    { handleProtocols: () => 'v2' },
  );
  const { code, stdout, stderr } = await s9ws([chatty.url, '--json', '-n', '-s', 'v1', '-s', 'v2']);
  const events = jsonLines(stdout);
  const before = Date.now();
  t.true(events.every(({ time }) => time > before - 60_000 && time < before + 60_000));
  const [first, ...others] = events.map(({ time, ...event }) => event);
  t.like(first, { type: 'activated', url: chatty.url, status: 101, subprotocol: 'v2' });
  t.is(first.headers.upgrade, 'websocket');
  t.deepEqual(others, [
    { type: 'textMessage', data: 'text' },
    { type: 'binaryMessage', data: '00ff' },
    { type: 'ping', data: Buffer.from('you?').toString('hex') },
    { type: 'connectionClosed', code: 4001, reason: 'enough' },
    { type: 'quit' },
  ]);
  t.is(stderr, '');
  t.is(code, 5, 'a code of its own is no end in order');
});

test.serial('what_steers_a_terminal_is_escaped_in_json', async t => {
  const text = 'a\u009b31m\u007f\u0080\u009f\u00a0\u001b';
  using steering = await server(socket => {
    socket.send(text);
    socket.close(4001, '\u009b');
  });
  const { stdout } = await s9ws([steering.url, '--json', '-n']);
  t.notRegex(stdout, /[\u007f-\u009f]/);
  const [, message, close] = jsonLines(stdout);
  t.is(message.data, text);
  t.is(close.reason, '\u009b');
});

test.serial('a_password_in_the_url_is_sent_and_not_shown', async t => {
  const arrived: Array<string | undefined> = [];
  using watching = await server((socket, { headers }) => {
    arrived.push(headers.authorization);
    socket.close();
  });
  const secret = watching.url.replace('//', '//name:secret@');
  for (const extra of [[], ['--json']]) {
    const { stdout, stderr } = await s9ws([secret, '-n', ...extra]);
    t.notRegex(stdout + stderr, /secret/);
    t.true((stdout + stderr).includes(watching.url.replace('//', '//***@')), stdout + stderr);
  }
  t.is(arrived[0], `Basic ${Buffer.from('name:secret').toString('base64')}`);
});

test.serial('send_count_and_binary_formats_work_together', async t => {
  const args = ['--send', 'a', '--send-binary', 'AP8=', '--send', 'b', '--binary', 'base64'];
  const { code, stdout } = await s9ws([echo.url, ...args, '--count', '2', '-q']);
  t.is(stdout, 'a\nAP8=\n', 'in the order given, and no more than asked for');
  t.is(code, 0);
});

test.serial('binary_lines_are_sent_as_bytes', async t => {
  const lengths: number[] = [];
  using counting = await server(socket =>
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) lengths.push(data.length);
    }),
  );
  const input = '00ff\n01 02 03\n\n';
  const { code } = await s9ws([counting.url, '--binary-lines'], { input });
  t.is(code, 0);
  t.deepEqual(lengths, [2, 3, 0]);
});

test.serial('input_that_cannot_be_sent_is_told_by_its_line', async t => {
  const notText = Buffer.concat([Buffer.from('fine\n'), Buffer.of(0xff, 0x0a)]);
  const { code, stderr } = await s9ws([echo.url, '-q'], { input: notText });
  t.regex(stderr, /line 2 of standard input is not UTF-8.*--binary-lines/);
  t.is(code, 2);
  const notHex = await s9ws([echo.url, '-q', '--binary-lines'], { input: '00\nxyz\n' });
  t.regex(notHex.stderr, /invalid line 2 of standard input: "xyz"/);
  t.is(notHex.code, 2);
});

test.serial('messages_that_are_missing_are_a_failure', async t => {
  const { code, stderr } = await s9ws([echo.url, '-n', '--count', '2', '--timeout', '0.2']);
  t.regex(stderr, /0 of 2 messages came/);
  t.is(code, 6);
  using brief = await server(socket => {
    socket.send('only');
    socket.close(1000);
  });
  const early = await s9ws([brief.url, '-n', '--count', '2', '-q']);
  t.is(early.stdout, 'only\n');
  t.regex(early.stderr, /1 of 2 messages came/);
  t.is(early.code, 6);
});

test.serial('a_timeout_without_count_is_an_end_in_order', async t => {
  const { code, stderr } = await s9ws([echo.url, '--timeout', '0.2'], { input: '' });
  t.is(stderr, `connected to ${echo.url} (101)\nclosed 1000\n`);
  t.is(code, 0);
});

test.serial('pings_are_sent_and_their_round_trips_shown', async t => {
  const args = [echo.url, '-n', '--json', '--ping', '0.02', '--timeout', '1'];
  const { stdout } = await s9ws(args);
  const pongs = jsonLines(stdout).filter(({ type }) => type === 'pong');
  t.true(pongs.length >= 2, `${pongs.length} pongs`);
  t.true(pongs.every(({ roundTrip }) => roundTrip > 0 && roundTrip < 1000));
  const inWords = await s9ws([echo.url, '-n', '--ping', '0.02', '--timeout', '1']);
  t.regex(inWords.stderr, /^pong \d+\.\d{3} ms$/m);
});

test.serial('headers_and_subprotocols_are_sent', async t => {
  const [arrived, arrive] = promise<IncomingMessage>();
  using chatty = await server((socket, request) => {
    arrive(request);
    socket.close();
  });
  const args = ['-H', 'X-One: 1', '-H', 'Authorization:Bearer a:b', '-z'];
  const { code } = await s9ws([chatty.url, ...args, '-n']);
  const { headers } = await arrived;
  t.like(headers, { 'x-one': '1', authorization: 'Bearer a:b' });
  t.regex(headers['sec-websocket-extensions'] ?? '', /^permessage-deflate/);
  t.is(code, 0, 'a Close without a code is an end in order');
});

test.serial('a_refused_upgrade_is_shown_in_full', async t => {
  const refusing = createServer();
  refusing.on('upgrade', (_request, socket) => {
    const body = '{"error":"no \u001b[31mtoken"}';
    const fields = `WWW-Authenticate: Bearer\r\nContent-Length: ${body.length}\r\nConnection: close`;
    socket.end(`HTTP/1.1 401 Unauthorized\r\n${fields}\r\n\r\n${body}`);
  });
  await once(refusing.listen(0, '127.0.0.1'), 'listening');
  const url = `ws://127.0.0.1:${(refusing.address() as AddressInfo).port}`;
  const { code, stdout, stderr } = await s9ws([url, '-n']);
  const asJson = await s9ws([url, '-n', '--json']);
  refusing.close();
  t.is(stdout, '');
  t.regex(stderr, /^s9ws: ERR_S9_HANDSHAKE: .*401/);
  t.regex(stderr, /\nHTTP 401 Unauthorized\nwww-authenticate: Bearer\n/);
  t.true(stderr.endsWith('\n\n{"error":"no \\x1b[31mtoken"}\n'), 'nothing steers the terminal');
  t.is(code, 4);
  const [error] = jsonLines(asJson.stdout);
  t.like(error, { type: 'error', code: 'ERR_S9_HANDSHAKE', response: { status: 401 } });
  t.is(error.response.headers['www-authenticate'], 'Bearer');
  t.is(error.response.body, '{"error":"no \u001b[31mtoken"}');
  t.is(asJson.code, 4);
});

test.serial('no_connection_has_an_exit_code_of_its_own', async t => {
  const { code, stderr } = await s9ws(['ws://127.0.0.1:1', '-n']);
  t.regex(stderr, /^s9ws: ERR_S9_IO: .*refused/);
  t.is(code, 3);
  // Accepts and never answers.
  const silent = createTcpServer();
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const late = await s9ws([url, '-n', '--timeout', '0.2']);
  silent.close();
  t.regex(late.stderr, /^s9ws: ERR_S9_TIMEOUT/);
  t.is(late.code, 3);
});

test.serial('a_connection_that_breaks_is_a_failure', async t => {
  using rude = await server(socket => socket.once('message', () => socket.terminate()));
  const { code, stderr } = await s9ws([rude.url, '--count', '1'], { input: 'now\n' });
  t.regex(stderr, /s9ws: ERR_S9_|closed 1006/);
  t.is(code, 5);
});

test.serial('tls_is_verified_unless_told_otherwise', async t => {
  const args = [secure.url, '--send', 'hello', '--count', '1', '-q'];
  const refused = await s9ws(args);
  t.regex(refused.stderr, /^s9ws: ERR_S9_TLS/);
  t.is(refused.code, 3);
  for (const how of [['--ca', join(folder, 'ca.pem')], ['--insecure']]) {
    const { code, stdout } = await s9ws([...args, ...how]);
    t.is(stdout, 'hello\n', how.join(' '));
    t.is(code, 0);
  }
});

for (const client of CLIENTS) {
  test.serial(`${client}: a server that closes while it is sent to is an end in order`, async t => {
    using brief = await server(socket => socket.once('message', () => socket.close(1000)));
    const input = new Readable({
      read() {
        this.push('again\n');
      },
    });
    const args = ['--send', 'first', '--send', 'second', '--ping', '0.001', '--client', client];
    const { code, stderr } = await s9ws([brief.url, ...args], { input });
    input.destroy();
    t.notRegex(stderr, /s9ws:/);
    t.true(stderr.endsWith('closed 1000\n'), stderr);
    t.is(code, 0);
  });
}

/** Tells at the end how many milliseconds of processor time the longest turn of the event loop took. */
const TELLS_ITS_LONGEST_TURN = `
  import { writeSync } from 'node:fs';
  let longest = 0;
  let begun = process.cpuUsage();
  setInterval(() => {
    const { user, system } = process.cpuUsage(begun);
    longest = Math.max(longest, user + system);
    begun = process.cpuUsage();
  }, 1).unref();
  process.on('exit', () => writeSync(2, 'held up ' + longest / 1e3));
`;

for (const client of CLIENTS) {
  test.serial(`${client}: a flood of short lines leaves the event loop its turns`, async t => {
    using reading = await server(socket => socket.on('message', () => {}));
    const lines = Buffer.from('y\n'.repeat(32_768));
    const input = new Readable({
      read() {
        this.push(lines);
      },
    });
    const preload = `data:text/javascript,${encodeURIComponent(TELLS_ITS_LONGEST_TURN)}`;
    const env = { NODE_OPTIONS: `--import=${preload}` };
    const args = [reading.url, '--timeout', '0.5', '-q', '--client', client];
    const { stderr } = await s9ws(args, { input, env });
    input.destroy();
    const [, longest] = /held up (\S+)/.exec(stderr) ?? [];
    t.true(Number(longest) < 1000, `${longest} ms`);
  });
}

test.serial('a_signal_closes_in_order_and_is_told', async t => {
  const [closed, close] = promise<number>();
  using patient = await server(socket => socket.on('close', close));
  const { code, stderr } = await s9ws([patient.url, '-n'], {
    onOutput: (printed, child) => {
      if (/^connected/.test(printed)) child.kill('SIGTERM');
    },
  });
  t.is(await closed, 1000);
  t.true(stderr.endsWith('closed 1000\n'));
  t.is(code, 143);
});

test.serial('a_second_signal_ends_at_once', async t => {
  // Reads nothing, so that the Close frame is never answered.
  using stalled = await server(socket => socket.pause());
  let killed = 0;
  const begun = performance.now();
  const { code } = await s9ws([stalled.url, '-n', '--ping', '0.05', '--json'], {
    onOutput: (_, child) => {
      if (killed++ > 0) return;
      child.kill('SIGINT');
      // Two that come together may count as one.
      const again = setInterval(() => child.kill('SIGINT'), 50);
      child.on('exit', () => clearInterval(again));
    },
  });
  t.is(code, 130);
  t.true(performance.now() - begun < 4500, 'not after the deadline for closing, of 5 s');
});

test.serial('a_signal_ends_connecting', async t => {
  const silent = createTcpServer();
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const url = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const child = spawn(process.execPath, [S9WS, url, '-n'], { env: plainEnvironment() });
  await once(silent, 'connection');
  child.kill('SIGINT');
  const [code] = await once(child, 'close');
  silent.close();
  t.is(code, 130);
});

test.serial('timestamps_begin_each_line', async t => {
  const { stdout, stderr } = await s9ws([echo.url, '--timestamps'], { input: 'now\n' });
  t.regex(stdout, /^\d\d:\d\d:\d\d\.\d{3} now\n$/);
  t.regex(stderr, /^\d\d:\d\d:\d\d\.\d{3} connected/);
});

test.serial('timestamps_begin_errors_too', async t => {
  using rude = await server(socket => socket.terminate());
  for (const url of [rude.url, 'ws://127.0.0.1:1']) {
    const { stderr } = await s9ws([url, '-nq', '--timestamps']);
    t.regex(stderr, /^\d\d:\d\d:\d\d\.\d{3} s9ws: ERR_S9_/);
  }
});

const onLinux = process.platform === 'linux' ? test.serial : test.skip;

/** What `s9ws` says and how it ends where its output goes to a full disk. */
async function onFullDisk(args: string[]): Promise<{ code: number; stderr: string }> {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [S9WS, ...args], {
    env: plainEnvironment(),
    stdio: ['ignore', full, 'pipe'],
  });
  closeSync(full);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', text => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  return { code, stderr };
}

onLinux('an_output_that_cannot_be_written_is_told', async t => {
  // Help is written when the exit code is known already.
  for (const args of [[echo.url, '-q', '--send', 'x'], ['--help'], ['--version']]) {
    const { code, stderr } = await onFullDisk(args);
    t.regex(stderr, /^s9ws: standard output cannot be written: ENOSPC[^\n]*\n$/, String(args));
    t.is(code, 1, String(args));
  }
});

function promise<T>(): [Promise<T>, (value: T) => void] {
  let resolve: (value: T) => void = () => {};
  return [
    new Promise<T>(settle => {
      resolve = settle;
    }),
    resolve,
  ];
}
