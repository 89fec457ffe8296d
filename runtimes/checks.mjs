// What must work on every runtime: the three clients in every way to run, and what else touches the
// runtime itself. Each check runs in a process of its own that must end by itself, once it has passed.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';

import {
  S9AsyncNonBlockingWebSocketClient as Async,
  S9BlockingWebSocketClient as Blocking,
  ControlMessage,
  S9NonBlockingWebSocketClient as NonBlocking,
  S9WebSocketError,
  setLogger,
} from 's9-websocket';

const MESSAGES = 200;
const TEXT = ['plain', 'grüße €', 'x'.repeat(40_000)];

/** Sends text and bytes of several sizes to an echo server, and closes once all have come back. */
class Conversation {
  seen = [];
  #left = MESSAGES;

  handler = {
    onActivated: client => {
      this.seen.push('activated');
      client.cork(() => {
        for (let index = 0; index < MESSAGES; index++) {
          const text = TEXT[index % TEXT.length];
          if (index % 2 === 0) client.sendTextMessage(text);
          else client.sendBinaryMessage(Buffer.from(text));
        }
      });
      client.sendPing(Buffer.from('ping'));
    },
    onTextMessage: (client, text) => this.#received(client, text),
    onBinaryMessage: (client, data) => {
      assert.ok(Buffer.isBuffer(data));
      this.#received(client, data.toString());
    },
    onPong: (client, data) => {
      this.seen.push(`pong ${data}`);
      client.close(1000, 'done');
    },
    onConnectionClosed: (_client, reason, code) => this.seen.push(`closed ${code} ${reason}`),
    onError: (_client, error) => this.seen.push(error),
    onQuit: () => this.seen.push('quit'),
  };

  #received(client, text) {
    assert.equal(text, TEXT[(MESSAGES - this.#left) % TEXT.length]);
    assert.ok(client.receivedAt <= performance.now() && client.receivedAt > 0);
    this.#left--;
  }

  assertDone() {
    assert.equal(this.#left, 0);
    assert.deepEqual(this.seen, ['activated', 'pong ping', 'closed 1000 done', 'quit']);
  }
}

async function converse(run) {
  const conversation = new Conversation();
  await run(conversation.handler);
  conversation.assertDone();
}

/** Runs while timers of the program go on, which tells that the event loop is not blocked. */
async function converseBesideTimers(client, run) {
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const conversation = new Conversation();
  const { onPong } = conversation.handler;
  // The end waits for timers, so that a loop that starves them never ends.
  conversation.handler.onPong = (_client, data) => {
    const whenTicked = setInterval(() => {
      if (ticks < 3) return;
      clearInterval(whenTicked);
      onPong(client, data);
    }, 1);
  };
  await run(conversation.handler);
  clearInterval(timer);
  conversation.assertDone();
}

const channelsEcho = async (client, receive) => {
  const thread = client.run();
  client.controlTx.send(ControlMessage.sendText('hello'));
  client.controlTx.send(ControlMessage.sendBinary(Buffer.from('bytes')));
  const seen = [];
  for (let event; event?.type !== 'quit'; ) {
    event = await receive(client.eventRx);
    if (event === undefined) continue;
    seen.push(event.data ? `${event.type} ${event.data}` : event.type);
    if (event.type === 'binaryMessage') client.controlTx.send(ControlMessage.close());
  }
  assert.deepEqual(seen, [
    'activated',
    'textMessage hello',
    'binaryMessage bytes',
    'connectionClosed',
    'quit',
  ]);
  return thread;
};

/** By name; the argument is where the echo servers are: `{ url, tlsUrl, ca }`. */
export const CHECKS = {
  'load: import and require are one': async () => {
    const required = createRequire(import.meta.url)('s9-websocket');
    assert.equal(required.S9NonBlockingWebSocketClient, NonBlocking);
  },

  'load: Deno is told which permissions it needs': async () => {
    const { Deno } = globalThis;
    if (!Deno) return;
    const flags = ['--no-config', '--no-lock', '--node-modules-dir=manual', '--no-prompt'];
    const permissions = ['--allow-ffi', '--allow-env', '--allow-read'];
    const script = fileURLToPath(new URL('worker-with-client.mjs', import.meta.url));
    for (const missing of [...permissions, undefined]) {
      const given = permissions.filter(permission => permission !== missing);
      const args = ['run', ...flags, ...given, script];
      const { stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
      const said = new TextDecoder().decode(stderr);
      assert.equal(
        said.includes('with --allow-ffi, --allow-env and --allow-read.'),
        !!missing,
        said,
      );
    }
  },

  'load: Bun compiles it into one file, the addon too': async ({ url }) => {
    const { Bun } = globalThis;
    if (!Bun) return;
    const folder = mkdtempSync(join(tmpdir(), 's9-websocket-compiled-'));
    try {
      const outfile = join(folder, 'compiled');
      const entrypoint = fileURLToPath(new URL('compiled.mjs', import.meta.url));
      await Bun.build({ entrypoints: [entrypoint], compile: { outfile }, throw: true });
      const { stdout } = await promisify(execFile)(outfile, [url], { cwd: folder });
      assert.equal(stdout, 'hello\n');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },

  'non-blocking: run, spinning': async ({ url }) => {
    const client = await NonBlocking.connect(url);
    await converseBesideTimers(client, handler => client.run(handler));
  },
  'non-blocking: run, waiting': async ({ url }) => {
    const client = await NonBlocking.connect(url, { spinWaitDuration: 50 });
    await converseBesideTimers(client, handler => client.run(handler));
  },
  'non-blocking: run, woken by data': async ({ url }) => {
    // Were the wait not ended by what arrives, this would take an hour.
    const client = await NonBlocking.connect(url, { spinWaitDuration: 3_600_000 });
    await converse(handler => client.run(handler));
  },
  'non-blocking: run, background thread': async ({ url }) => {
    const client = await NonBlocking.connect(url);
    await converseBesideTimers(client, handler => client.run(handler, { on: 'background-thread' }));
  },
  'non-blocking: runSync': ({ url }) =>
    converse(handler => NonBlocking.connectSync(url).runSync(handler)),
  'non-blocking: poll': async ({ url }) => {
    const client = await NonBlocking.connect(url);
    await converse(handler => {
      while (client.poll(handler));
    });
  },

  'blocking: run': async ({ url }) => {
    const client = await Blocking.connect(url);
    await converseBesideTimers(client, handler => client.run(handler));
  },
  'blocking: runSync': ({ url }) =>
    converse(handler => Blocking.connectSync(url, { readTimeout: 100 }).runSync(handler)),

  'async: iteration': async ({ url }) => {
    const client = await Async.connect(url);
    const iterator = client.eventRx[Symbol.asyncIterator]();
    const thread = await channelsEcho(client, async () => (await iterator.next()).value);
    assert.equal((await iterator.next()).done, true);
    await thread.join();
  },
  'async: recv': async ({ url }) => {
    const thread = await channelsEcho(await Async.connect(url), receiver => receiver.recv());
    await thread.join();
  },
  'async: recvSync': async ({ url }) => {
    const client = Async.connectSync(url, { spinWaitDuration: 10 });
    const thread = await channelsEcho(client, receiver => receiver.recvSync(20));
    assert.equal(thread.joinSync(5000), true);
    assert.equal(thread.isFinished, true);
  },
  'async: a channel shared with a worker': async ({ url }) => {
    const client = await Async.connect(url);
    const thread = client.run();
    const workerData = { events: client.eventRx.handle, controls: client.controlTx.handle };
    const worker = new Worker(new URL('worker-at-channel.mjs', import.meta.url), { workerData });
    const [seen] = await once(worker, 'message');
    assert.deepEqual(seen, ['activated', 'textMessage from a worker', 'connectionClosed', 'quit']);
    await thread.join();
    await worker.terminate();
  },

  'worker: runs a client of its own': async ({ url }) => {
    const worker = new Worker(new URL('worker-with-client.mjs', import.meta.url), {
      workerData: { url, endless: false },
    });
    const [seen] = await once(worker, 'message');
    assert.deepEqual(seen, ['hello', 'closed 1000']);
    await worker.terminate();
  },
  'worker: terminated in runSync': async ({ url }) => {
    const worker = new Worker(new URL('worker-with-client.mjs', import.meta.url), {
      workerData: { url, endless: true },
    });
    await once(worker, 'message');
    await worker.terminate();
  },

  'wss: runs, verified by a given certificate': async ({ tlsUrl, ca }) => {
    const client = await NonBlocking.connect(tlsUrl, { tls: { ca } });
    await converse(handler => client.run(handler));
  },
  'wss: refused without it': async ({ tlsUrl }) => {
    await assert.rejects(NonBlocking.connect(tlsUrl), { code: 'ERR_S9_TLS' });
  },

  'connect: a refused one has its code': async () => {
    const failed = await NonBlocking.connect('ws://127.0.0.1:1').catch(error => error);
    assert.ok(failed instanceof S9WebSocketError && failed instanceof Error);
    assert.equal(failed.code, 'ERR_S9_IO');
  },
  'connect: given up by a signal': async () => {
    const silent = createServer();
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const url = `ws://127.0.0.1:${silent.address().port}`;
    const reason = new Error('given up');
    const controller = new AbortController();
    silent.once('connection', socket => {
      socket.on('error', () => {});
      controller.abort(reason);
    });
    const failed = await NonBlocking.connect(url, { signal: controller.signal }).catch(
      error => error,
    );
    assert.equal(failed, reason);
    silent.close();
  },

  'messages: compressed': async ({ url }) => {
    const client = await NonBlocking.connect(url, { perMessageDeflate: true });
    await converse(handler => client.run(handler));
  },
  'messages: 100,000 in one runSync stay within memory': async ({ url }) => {
    const client = NonBlocking.connectSync(url);
    let left = 100_000;
    let grown = 0;
    const before = process.memoryUsage().rss;
    const send = count =>
      client.cork(() => {
        for (let index = 0; index < count; index++) client.sendTextMessage('x'.repeat(64));
      });
    client.runSync({
      onActivated: () => send(1000),
      onTextMessage: () => {
        left--;
        if (left > 0 && left % 1000 === 0) send(1000);
        if (left === 0) {
          grown = process.memoryUsage().rss - before;
          client.close();
        }
      },
    });
    assert.equal(left, 0);
    assert.ok(grown < 200e6, `grew by ${Math.round(grown / 1e6)} MB`);
  },

  'handler: what it throws comes out of run': async ({ url }) => {
    const thrown = { not: 'an error' };
    let quits = 0;
    const handler = {
      onActivated: () => {
        throw thrown;
      },
      onQuit: () => quits++,
    };
    for (const on of ['event-loop', 'background-thread']) {
      const client = await NonBlocking.connect(url);
      assert.equal(await client.run(handler, { on }).catch(value => value), thrown);
    }
    const client = NonBlocking.connectSync(url);
    assert.throws(
      () => client.runSync(handler),
      value => value === thrown,
    );
    assert.equal(quits, 3);
  },

  'logging: records reach JavaScript': async ({ url }) => {
    const records = [];
    setLogger('debug', record => records.push(record));
    const client = await NonBlocking.connect(url);
    await converse(handler => client.run(handler));
    while (records.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
    setLogger('off');
    assert.equal(typeof records[0].message, 'string');
  },

  'end: a process ends with clients left open': async ({ url }) => {
    const left = [await NonBlocking.connect(url), await Blocking.connect(url)];
    const running = await Async.connect(url);
    running.run();
    left[0].run({}, { on: 'background-thread' });
    console.log('passed');
    process.exit(0);
  },
};
