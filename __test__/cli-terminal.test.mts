// `s9ws URL` in a real terminal: prompt, history, commands, keys, colours.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import test from 'ava';
import { EchoServer } from 's9-websocket/testing';
import { type WebSocket, WebSocketServer } from 'ws';

import { S9WS } from './command-line.mjs';
import { noTerminal, Terminal } from './terminal.mjs';

const inTerminal = noTerminal === undefined ? test.serial : test.serial.skip;
if (noTerminal !== undefined) console.log(`# terminal tests are skipped: ${noTerminal}`);

const state = mkdtempSync(join(tmpdir(), 's9ws-'));
const historyPath = join(state, 's9-websocket', 'history');
let echo: EchoServer;
test.before(async () => {
  echo = await EchoServer.start();
});
test.after.always(async () => {
  await echo.close();
  rmSync(state, { recursive: true });
});

const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const UP = '\u001b[A';

/** Starts `s9ws` in a terminal; its prompt is there once `connected` is shown. */
async function open(url: string, args: string[] = [], env: Record<string, string> = {}) {
  const command = [process.execPath, S9WS, url, ...args];
  const terminal = new Terminal(command, { XDG_STATE_HOME: state, ...env });
  await terminal.shows(/connected to .*\n> /s);
  return terminal;
}

/** A server by `ws` whose one connection is the test's. */
async function server(serve: (socket: WebSocket) => void) {
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(sockets, 'listening');
  sockets.on('connection', serve);
  return {
    url: `ws://127.0.0.1:${(sockets.address() as AddressInfo).port}`,
    [Symbol.dispose]() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}

inTerminal('what_is_typed_is_sent_and_what_comes_is_shown_above_the_prompt', async t => {
  const terminal = await open(echo.url);
  terminal.type('hello\r');
  await terminal.shows(/> hello\n< hello\n> $/);
  terminal.type('half a line');
  await terminal.shows(/half a line$/);
  terminal.type(CTRL_D);
  terminal.type('\u0015');
  terminal.type(CTRL_D);
  t.is(await terminal.ended(), 0);
  t.true(terminal.text.trimEnd().endsWith('closed 1000'));
});

inTerminal('a_line_that_is_being_typed_survives_what_comes', async t => {
  let push = () => {};
  using pushing = await server(socket => {
    push = () => socket.send('news');
    socket.on('message', data => socket.send(`got ${data}`));
  });
  const terminal = await open(pushing.url);
  terminal.type('begun');
  await terminal.shows(/begun$/);
  push();
  await terminal.shows(/< news\n> begun$/);
  terminal.type(' and done\r');
  await terminal.shows('< got begun and done');
  terminal.type(CTRL_D);
  t.is(await terminal.ended(), 0);
});

inTerminal('slash_commands_ping_send_bytes_and_close_with_a_reason', async t => {
  const closes: Array<[number, string]> = [];
  const kinds: string[] = [];
  using watching = await server(socket => {
    socket.on('message', (data, isBinary) => {
      kinds.push(`${isBinary ? 'binary' : 'text'} ${data}`);
      socket.send(data, { binary: isBinary });
    });
    socket.on('close', (code, reason) => closes.push([code, reason.toString()]));
  });
  const terminal = await open(watching.url);
  terminal.type('/help\r');
  await terminal.shows('/close [CODE [REASON]]');
  terminal.type('/ping\r');
  await terminal.shows(/pong \d+\.\d{3} ms/);
  terminal.type('/binary 68 69\r');
  await terminal.shows('< (2 bytes) 6869');
  terminal.type('/binary base64 aGk=\r');
  await terminal.shows(/(< \(2 bytes\) 6869.*){2}/s);
  terminal.type('/binary base64\r');
  terminal.type('/binary aGk=\r');
  await terminal.shows('< (2 bytes) aGk=');
  terminal.type('//slash\r');
  await terminal.shows('< /slash');
  terminal.type('/binary *\r');
  await terminal.shows('s9ws: invalid data: "*" (allowed: base64');
  terminal.type('/binary\r');
  await terminal.shows('s9ws: /binary needs data, or a format (allowed: hex, base64)');
  terminal.type('/pong\r');
  await terminal.shows('s9ws: there is no /pong (allowed: /binary, /close, /help, /ping');
  terminal.type('/close bye\r');
  await terminal.shows('s9ws: invalid code: "bye" (allowed: a number, as in /close 1000 bye)');
  terminal.type('/close 999\r');
  await terminal.shows(/s9ws: ERR_S9_INVALID_CONFIGURATION: .*999/);
  terminal.type('/close 4000 good bye\r');
  await terminal.shows('closed 4000 good bye');
  t.is(await terminal.ended(), 0);
  t.deepEqual(closes, [[4000, 'good bye']]);
  t.deepEqual(kinds, ['binary hi', 'binary hi', 'binary hi', 'text /slash']);
});

inTerminal('the_history_is_kept_but_not_what_begins_with_a_blank', async t => {
  const first = await open(echo.url);
  first.type('remember me\r');
  await first.shows('< remember me');
  first.type(' a secret\r');
  await first.shows('<  a secret');
  first.type(CTRL_D);
  t.is(await first.ended(), 0);
  const kept = readFileSync(historyPath, 'utf8');
  t.true(kept.endsWith('remember me\n'));
  t.notRegex(kept, /secret/);
  t.is(statSync(historyPath).mode & 0o777, 0o600, 'for nobody else to read');

  const second = await open(echo.url);
  second.type(`${UP}\r`);
  await second.shows('< remember me');
  second.type(CTRL_D);
  t.is(await second.ended(), 0);
});

inTerminal('ctrl_c_closes_in_order', async t => {
  const codes: number[] = [];
  using watching = await server(socket => socket.on('close', code => codes.push(code)));
  const terminal = await open(watching.url);
  terminal.type(CTRL_C);
  t.is(await terminal.ended(), 0);
  t.deepEqual(codes, [1000]);
  t.true(terminal.text.trimEnd().endsWith('closed 1000'));
});

inTerminal('a_second_ctrl_c_does_not_wait_for_the_peer', async t => {
  using stalled = await server(socket => socket.pause());
  const terminal = await open(stalled.url);
  const begun = performance.now();
  terminal.type(CTRL_C);
  terminal.type(CTRL_C);
  t.is(await terminal.ended(), 130);
  t.true(performance.now() - begun < 4500, 'not after the deadline for closing, of 5 s');
});

inTerminal('the_peer_cannot_steer_the_terminal', async t => {
  using rude = await server(socket => {
    socket.send('\u001b]0;title\u0007 and \u009b2J');
    socket.on('message', () => socket.close(1000, '\u001b[2J'));
  });
  const terminal = await open(rude.url);
  await terminal.shows('< \\x1b]0;title\\x07 and \\x9b2J');
  terminal.type('x\r');
  await terminal.shows('closed 1000 \\x1b[2J');
  t.is(await terminal.ended(), 0);
  t.false(terminal.raw.includes('\u001b]0;'));
  t.false(terminal.raw.includes('\u001b[2J'));
});

inTerminal('colours_are_off_with_no_color', async t => {
  const shown = async (env: Record<string, string>) => {
    const terminal = await open(echo.url, [], env);
    terminal.type('hello\r');
    await terminal.shows('< hello');
    terminal.type(CTRL_D);
    t.is(await terminal.ended(), 0);
    return terminal.raw;
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are made of them
  const colour = /\u001b\[\d+m/;
  t.regex(await shown({}), colour);
  t.notRegex(await shown({ NO_COLOR: '1' }), colour);
  t.notRegex(await shown({ TERM: 'dumb' }), colour);
});

inTerminal('the_end_of_the_peer_ends_the_prompt', async t => {
  using brief = await server(socket => socket.on('message', () => socket.close(1011, 'broken')));
  const terminal = await open(brief.url);
  terminal.type('x\r');
  t.is(await terminal.ended(), 5);
  t.regex(terminal.text, /^> x\nclosed 1011 broken\n$/m);
});

inTerminal('a_flood_leaves_one_prompt_at_the_bottom', async t => {
  using flood = await server(socket => {
    socket.on('message', () => {
      for (let number = 1; number <= 2000; number++) socket.send(`message ${number}`);
      socket.send('over');
    });
  });
  const terminal = await open(flood.url, ['--timestamps']);
  terminal.type('go\r');
  await terminal.shows(/< over\n> $/);
  const lines = terminal.text.split('\n').filter(line => line.includes('< message'));
  t.is(lines.length, 2000);
  t.regex(lines[0]!, /\d\d:\d\d:\d\d\.\d{3} < message 1$/);
  terminal.type(CTRL_D);
  t.is(await terminal.ended(), 0);
});

inTerminal('bench_shows_its_progress_and_clears_it', async t => {
  const args = ['bench', '--seconds', '0.3', '--client', 'async'];
  const terminal = new Terminal([process.execPath, S9WS, ...args], {});
  t.is(await terminal.ended(), 0);
  t.regex(terminal.raw, /\[█*·*\] async, round 1 of 3/);
  t.notRegex(terminal.text, /round/);
  t.regex(terminal.text, /µs +count/);
});
