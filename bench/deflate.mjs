// `node bench/deflate.mjs [NAME...] [--rounds N] [--milliseconds N]`: compressed messages (permessage-deflate)
// with s9-websocket, ws, undici and Bun beside each other: receive, rtt, send.
//
// The server never compresses while it is measured: it repeats frames made ahead of time. Where context
// is taken over, it repeats a sequence of messages of which only the first begins without context.
// undici and Bun take part where `bench/node_modules` has them.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import zlib from 'node:zlib';

const SELF = fileURLToPath(import.meta.url);
const SIZES = { '150 B': 150, '1 KiB': 1024, '16 KiB': 16384 };
/** Plain bytes of one sequence that the server repeats. */
const SEQUENCE_BYTES = 4 << 20;
const SEND_BATCH = 2000;

// ── the server, in a process of its own ──

/** Trades as an exchange tells of them, exactly `size` bytes, different from message to message. */
function message(size, index) {
  let state = Math.imul(index + 1, 2654435761) >>> 0;
  const next = most => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % most;
  };
  const trade = nth => {
    const at = 1700000000000 + index * 7 + nth;
    const price = `${60000 + next(300)}.${10 + next(90)}000000`;
    const quantity = `0.0${1000 + next(9000)}000`;
    return `{"e":"trade","s":"BTCUSDT","t":${3000000 + index * 100 + nth},"p":"${price}","q":"${quantity}","T":${at},"m":${next(2) === 1}}`;
  };
  let text = trade(0);
  for (let nth = 1; text.length + 130 < size; nth++) text += `,${trade(nth)}`;
  return `[${text}]`.padEnd(size).slice(0, size);
}

function frame(first, payload) {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.of(first, length), payload]);
  if (length < 65536)
    return Buffer.concat([Buffer.of(first, 126, length >> 8, length & 255), payload]);
  throw new Error('no message of this benchmark is that large');
}

/** Frames of messages, compressed one by one or all in one context. */
async function sequence(size, takeover) {
  const frames = [];
  const deflate = zlib.createDeflateRaw();
  let chunks = [];
  deflate.on('data', chunk => chunks.push(chunk));
  const finishFlush = zlib.constants.Z_SYNC_FLUSH;
  for (let index = 0; index * size < SEQUENCE_BYTES; index++) {
    const data = Buffer.from(message(size, index));
    let payload;
    if (takeover) {
      chunks = [];
      deflate.write(data);
      await new Promise(done => deflate.flush(finishFlush, done));
      payload = Buffer.concat(chunks);
    } else payload = zlib.deflateRawSync(data, { finishFlush });
    frames.push(frame(0xc1, payload.subarray(0, -4)));
  }
  return frames;
}

/** Follows a client's masked frames; calls back with the wire bytes of each. */
function follow(onFrame) {
  let kept = Buffer.alloc(0);
  return chunk => {
    let bytes = kept.length > 0 ? Buffer.concat([kept, chunk]) : chunk;
    while (bytes.length >= 2) {
      const short = bytes[1] & 127;
      const head = short < 126 ? 6 : short === 126 ? 8 : 14;
      if (bytes.length < head) break;
      const length =
        short < 126
          ? short
          : short === 126
            ? bytes.readUInt16BE(2)
            : Number(bytes.readBigUInt64BE(2));
      if (bytes.length < head + length) break;
      onFrame(bytes[0], head + length);
      bytes = bytes.subarray(head + length);
    }
    kept = bytes;
  };
}

async function serve() {
  const made = new Map();
  const server = createServer(async socket => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    const request = await new Promise(resolve => {
      let text = '';
      const read = chunk => {
        text += chunk;
        if (!text.endsWith('\r\n\r\n')) return;
        socket.off('data', read);
        resolve(text);
      };
      socket.on('data', read);
    });
    const url = new URL(/^GET (\S+)/.exec(request)[1], 'ws://host');
    const [size, takeover] = [
      Number(url.searchParams.get('size')),
      url.searchParams.has('takeover'),
    ];
    const offer = /^sec-websocket-extensions: *(.*)$/im.exec(request)?.[1] ?? '';
    if (!offer.includes('permessage-deflate')) return socket.end('HTTP/1.1 400 no offer\r\n\r\n');
    const agreed = `permessage-deflate${takeover ? '' : '; server_no_context_takeover; client_no_context_takeover'}`;
    const key = /^sec-websocket-key: *(\S+)/im.exec(request)[1];
    const accept = createHash('sha1')
      .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64');
    const name = `${size} ${takeover}`;
    if (!made.has(name)) made.set(name, await sequence(size, takeover));
    const frames = made.get(name);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Extensions: ${agreed}\r\n\r\n`,
    );
    BEHAVIOURS[url.pathname](socket, frames);
  });
  // Spins, so that no wake-up of this process is part of a round trip.
  const spin = () => setImmediate(spin);
  spin();
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
  process.stdin.resume().on('end', () => process.exit());
}

const BEHAVIOURS = {
  /** Sends as fast as the client takes it. */
  '/receive'(socket, frames) {
    const all = Buffer.concat(frames);
    const pump = () => {
      while (!socket.destroyed && socket.write(all));
      socket.once('drain', pump);
    };
    pump();
  },
  /** Answers every message with the next of the sequence. */
  '/rtt'(socket, frames) {
    let next = 0;
    const answer = () => socket.write(frames[next++ % frames.length]);
    socket.on(
      'data',
      follow(first => (first & 15) < 8 && answer()),
    );
  },
  /** Tells after each batch how many bytes on the wire a message took. */
  '/send'(socket) {
    let count = 0;
    let bytes = 0;
    const counted = follow((first, length) => {
      if ((first & 15) >= 8) return;
      count++;
      bytes += length;
      if (count === SEND_BATCH) {
        socket.write(frame(0x81, Buffer.from(JSON.stringify(Math.round(bytes / count)))));
        count = bytes = 0;
      }
    });
    socket.on('data', counted);
  },
};

// ── the clients, each in a process and runtime of its own ──

const CLIENTS = {
  async s9(url, face) {
    const { S9NonBlockingWebSocketClient } = await import('s9-websocket');
    const client = await S9NonBlockingWebSocketClient.connect(url, {
      perMessageDeflate: { threshold: 0 },
      nodelay: true,
    });
    await client.run({
      onActivated: () =>
        face.onOpen(
          text => client.sendTextMessage(text),
          () => client.forceQuit(),
        ),
      onTextMessage: (_, text) => face.onMessage(text),
      onError(_, error) {
        throw error;
      },
    });
  },
  async ws(url, face) {
    const { default: WebSocket } = await import('ws');
    const socket = new WebSocket(url, { perMessageDeflate: { threshold: 0 } });
    socket.on('open', () =>
      face.onOpen(
        text => socket.send(text),
        () => socket.terminate(),
      ),
    );
    socket.on('message', data => face.onMessage(data.toString()));
    await once(socket, 'close');
  },
  async undici(url, face) {
    const { WebSocket } = await import('undici');
    await web(WebSocket, url, face);
  },
  bun: (url, face) => web(globalThis.WebSocket, url, face),
};

function web(WebSocket, url, face) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.onopen = () => face.onOpen(text => socket.send(text), resolve);
    socket.onmessage = event => face.onMessage(event.data);
    socket.onerror = event => reject(event.error ?? new Error('the connection failed'));
    socket.onclose = event => reject(new Error(`closed with ${event.code} ${event.reason}`));
  });
}

const processorTime = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

const MEASURES = {
  receive(open, { size, warmUp, milliseconds }) {
    let [messages, start, cpu, checkAt] = [0, 0, 0, 16];
    let stop;
    let result;
    return open({
      onOpen(_, end) {
        stop = end;
        start = performance.now();
      },
      onMessage(text) {
        if (text.length !== size) throw new Error(`a message of ${text.length} characters came`);
        if (++messages < checkAt || result) return;
        checkAt = messages + 16;
        const elapsed = performance.now() - start;
        if (cpu === 0 && elapsed >= warmUp) {
          [messages, checkAt, cpu, start] = [0, 16, processorTime(), performance.now()];
        } else if (cpu > 0 && elapsed >= milliseconds) {
          const used = (processorTime() - cpu) / messages;
          result = { perSecond: messages / (elapsed / 1000), cpu: used };
          stop();
        }
      },
    }).then(() => result);
  },
  rtt(open, { size, warmUp, milliseconds }) {
    const payload = message(size, 1);
    const times = [];
    let [sentAt, begun] = [0, 0];
    let end;
    const ask = () => {
      sentAt = performance.now();
      end.send(payload);
    };
    return open({
      onOpen(send, stop) {
        end = { send, stop };
        begun = performance.now();
        ask();
      },
      onMessage() {
        const at = performance.now();
        if (at - begun > warmUp) times.push((at - sentAt) * 1000);
        if (at - begun > warmUp + milliseconds) end.stop();
        else ask();
      },
    }).then(() => {
      const sorted = times.toSorted((a, b) => a - b);
      return { p50: sorted[sorted.length >> 1], p99: sorted[Math.floor(sorted.length * 0.99)] };
    });
  },
  send(open, { size, warmUp, milliseconds }) {
    const payloads = Array.from({ length: SEND_BATCH }, (_, index) => message(size, index));
    const times = [];
    let [begun, start, wire] = [0, 0, 0];
    let end;
    const sendAll = () => {
      start = performance.now();
      for (const payload of payloads) end.send(payload);
    };
    return open({
      onOpen(send, stop) {
        end = { send, stop };
        begun = performance.now();
        sendAll();
      },
      onMessage(text) {
        const at = performance.now();
        wire = Number(text);
        if (at - begun > warmUp) times.push(at - start);
        if (at - begun > warmUp + milliseconds) end.stop();
        else sendAll();
      },
    }).then(() => ({ perSecond: SEND_BATCH / (median(times) / 1000), wire }));
  },
};

// ── the comparison ──

/** What runs each client, of those that are there. */
function runtimes() {
  const found = { s9: [process.execPath], ws: [process.execPath] };
  const resolves = name => {
    try {
      return fileURLToPath(import.meta.resolve(`${name}/package.json`));
    } catch {
      return undefined;
    }
  };
  if (resolves('undici')) found.undici = [process.execPath];
  const bun = resolves('bun');
  if (bun) found.bun = [fileURLToPath(new URL('../.bin/bun', `file://${bun}`))];
  return found;
}

const canPin = spawnSync('taskset', ['--version']).status === 0;
const pinned = (processor, command) =>
  canPin ? ['taskset', '-c', String(processor), ...command] : command;

async function run(processor, command, task) {
  const [program, ...args] = pinned(processor, [...command, SELF, JSON.stringify(task)]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', chunk => {
    output += chunk;
  });
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(`${task.client} failed`);
  return JSON.parse(output);
}

const rounded = (value, digits) =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(digits);

const COLUMNS = {
  receive: [
    ['messages/s', results => median(results.map(({ perSecond }) => perSecond)), true],
    ['µs of CPU a message', results => median(results.map(({ cpu }) => cpu))],
  ],
  rtt: [
    ['p50 µs', results => median(results.map(({ p50 }) => p50)), true],
    ['p99 µs', results => median(results.map(({ p99 }) => p99))],
  ],
  send: [
    ['messages/s', results => median(results.map(({ perSecond }) => perSecond)), true],
    ['bytes a message on the wire', results => median(results.map(({ wire }) => wire))],
  ],
};

async function compare(clients, measure, port, { label, size, takeover, ...times }) {
  const results = Object.fromEntries(Object.keys(clients).map(name => [name, []]));
  const url = `ws://127.0.0.1:${port}/${measure}?size=${size}${takeover ? '&takeover' : ''}`;
  for (let round = 0; round < times.rounds; round++) {
    const order = Object.entries(clients);
    for (const [client, command] of round % 2 ? order.reverse() : order) {
      results[client].push(await run(1, command, { client, measure, url, size, ...times }));
    }
  }
  console.log(`\n${measure}, ${label}, context taken over: ${takeover ? 'yes' : 'no'}`);
  const base = COLUMNS[measure][0][1](results.ws);
  for (const [client, measured] of Object.entries(results)) {
    const cells = COLUMNS[measure].map(([name, of]) => `${rounded(of(measured), 1)} ${name}`);
    const ratio = (COLUMNS[measure][0][1](measured) / base).toFixed(2);
    console.log(`  ${client.padEnd(7)} ${ratio.padStart(6)} × ws   ${cells.join('   ')}`);
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '3' },
      milliseconds: { type: 'string', default: '1000' },
    },
  });
  const measures = positionals.length > 0 ? positionals : Object.keys(MEASURES);
  const times = {
    rounds: Number(values.rounds),
    milliseconds: Number(values.milliseconds),
    warmUp: 500,
  };
  const [program, ...args] = pinned(0, [process.execPath, SELF, JSON.stringify({ serve: true })]);
  const server = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const port = Number((await once(server.stdout, 'data'))[0]);
    const clients = runtimes();
    for (const measure of measures) {
      for (const [label, size] of Object.entries(SIZES)) {
        for (const takeover of [false, true]) {
          await compare(clients, measure, port, { label, size, takeover, ...times });
        }
      }
    }
  } finally {
    server.stdin.end();
  }
}

const task = process.argv[2]?.startsWith('{') ? JSON.parse(process.argv[2]) : undefined;
if (task?.serve) await serve();
else if (task) {
  const result = await MEASURES[task.measure](face => CLIENTS[task.client](task.url, face), task);
  process.stdout.write(JSON.stringify(result), () => process.exit());
} else await main();
