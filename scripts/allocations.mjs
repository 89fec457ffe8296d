// Builds the addon so that it counts its allocations, in a folder of its own, and makes round trips in every
// way to run a client: once buffers have grown, they allocate nothing.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ensure, root, run } from './ensure.mjs';

const FOLDER = join(root, 'target', 'allocations');
const SIZE = 64;
const WARM = 2000;
const ROUND_TRIPS = 10_000;
/** A buffer may still grow; and a slab of which JavaScript has views, 64 KiB, gives way to another. */
const ALLOWED = ROUND_TRIPS / 100;

const [, , url] = process.argv;
if (url) await measureAll(url);
else await buildAndMeasure();

async function buildAndMeasure() {
  ensure();
  const napi = ['exec', '--', 'napi', 'build', '--platform', '--release'];
  const into = ['--js', 'index.js', '--dts', 'index.d.ts', '--output-dir', join(FOLDER, 'native')];
  if (!run('npm', [...napi, ...into, '--features', 'count-allocations'])) {
    throw new Error('building the addon failed');
  }
  for (const part of ['dist', 'package.json']) {
    cpSync(join(root, part), join(FOLDER, part), { recursive: true });
  }
  // With the ordinary addon and in this process: what the server allocates is not to be counted.
  const { EchoServer } = await import('s9-websocket/testing');
  const server = await EchoServer.start();
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [script, server.url], { stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  // Ended by a signal it has none.
  process.exitCode = code ?? 1;
  await server.close();
}

async function measureAll(url) {
  const require = createRequire(import.meta.url);
  const package_ = require(join(FOLDER, 'dist'));
  const { allocations } = require(join(FOLDER, 'native'));
  const ways = waysOf(package_);
  for (const [name, exchange] of Object.entries(ways)) {
    for (const message of ['x'.repeat(SIZE), new Uint8Array(SIZE)]) {
      let left = WARM + ROUND_TRIPS;
      let before = 0;
      let after = 0;
      await exchange(url, message, () => {
        left--;
        if (left === ROUND_TRIPS) before = allocations();
        if (left === 0) after = allocations();
        return left > 0;
      });
      const count = after - before;
      const kind = typeof message === 'string' ? 'text' : 'binary';
      const failed = count > ALLOWED;
      console.log(`${failed ? '✘' : '✔'} ${name}, ${kind}: ${count} in ${ROUND_TRIPS} round trips`);
      if (failed) process.exitCode = 1;
    }
  }
}

/** Each makes round trips for as long as `goesOn` says. */
function waysOf(package_) {
  const {
    ControlMessage,
    S9AsyncNonBlockingWebSocketClient,
    S9BlockingWebSocketClient,
    S9NonBlockingWebSocketClient,
  } = package_;
  const callbacks = (Client, run, options) => async (url, message, goesOn) => {
    const client = await Client.connect(url, { nodelay: true, ...options });
    const send =
      typeof message === 'string'
        ? () => client.sendTextMessage(message)
        : () => client.sendBinaryMessage(message);
    const answer = () => (goesOn() ? send() : client.close());
    await run(client, {
      onActivated: send,
      onTextMessage: answer,
      onBinaryMessage: answer,
      onError(_client, error) {
        throw error;
      },
    });
  };
  // What is sent to a thread that is awake changes threads, and has memory of its own for that.
  const sleeping = { spinWaitDuration: 1000 };
  const channels = async (url, message, goesOn) => {
    const client = await S9AsyncNonBlockingWebSocketClient.connect(url, {
      nodelay: true,
      ...sleeping,
    });
    const thread = client.run();
    const send = () =>
      client.controlTx.send(
        typeof message === 'string'
          ? ControlMessage.sendText(message)
          : ControlMessage.sendBinary(message),
      );
    for await (const { type } of client.eventRx) {
      if (type === 'activated') send();
      else if (type !== 'textMessage' && type !== 'binaryMessage') continue;
      else if (goesOn()) send();
      else client.controlTx.send(ControlMessage.close());
    }
    await thread.join();
  };
  const polled = (client, handler) => {
    while (client.poll(handler));
  };
  const onThread = (client, handler) => client.run(handler, { on: 'background-thread' });
  const NonBlocking = S9NonBlockingWebSocketClient;
  return {
    runSync: callbacks(NonBlocking, (client, handler) => client.runSync(handler)),
    poll: callbacks(NonBlocking, polled),
    run: callbacks(NonBlocking, (client, handler) => client.run(handler)),
    'blocking runSync': callbacks(S9BlockingWebSocketClient, (client, handler) =>
      client.runSync(handler),
    ),
    'background thread': callbacks(NonBlocking, onThread, sleeping),
    async: channels,
  };
}
