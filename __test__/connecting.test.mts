// Connects that are given up at several moments, and many connects at once.

import { once } from 'node:events';
import { createServer } from 'node:net';

import test from 'ava';
import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9BlockingWebSocketClient as BlockingClient,
  S9NonBlockingWebSocketClient as NonBlockingClient,
  S9WebSocketError,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

import { silentPeer, unacceptingPeer } from './unhelpful-peers.mjs';

const CLIENTS = { NonBlockingClient, BlockingClient, AsyncClient };
const WAITING = { spinWaitDuration: 60_000 };
/** Far above what giving up takes, far below the connect's own timeout. */
const SOON = 10_000;

const MOMENTS: Record<string, () => Promise<{ url: string; close(): unknown }>> = {
  tcp: unacceptingPeer,
  tls: async () => {
    const peer = await silentPeer();
    return { ...peer, url: peer.url.replace('ws:', 'wss:') };
  },
  upgrade: silentPeer,
};

for (const [moment, start] of Object.entries(MOMENTS)) {
  test.serial(`a_connect_is_given_up_during_${moment}`, async t => {
    const peer = await start();
    t.teardown(() => peer.close());
    for (const client of Object.values(CLIENTS)) {
      for (const delay of [0, 1, 30]) {
        const controller = new AbortController();
        const reason = new Error('not wanted any more');
        const connecting = client.connect(peer.url, { signal: controller.signal });
        setTimeout(() => controller.abort(reason), delay);
        const begun = performance.now();
        const [outcome] = await Promise.allSettled([connecting]);
        t.true(performance.now() - begun < SOON);
        t.deepEqual(outcome, { status: 'rejected', reason });
      }
    }
  });
}

test('a_connect_with_an_aborted_signal_never_begins', async t => {
  let connections = 0;
  const server = createServer(() => connections++).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  const url = `ws://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  for (const client of Object.values(CLIENTS)) {
    const signal = AbortSignal.abort();
    const [outcome] = await Promise.allSettled([client.connect(url, { signal })]);
    t.deepEqual(outcome, { status: 'rejected', reason: signal.reason });
    t.is(
      t.throws(() => client.connectSync(url, { signal }), { any: true }),
      signal.reason,
    );
  }
  t.is(connections, 0);
});

test('a_timeout_signal_gives_up_too', async t => {
  const peer = await silentPeer();
  t.teardown(() => peer.close());
  const signal = AbortSignal.timeout(20);
  const [outcome] = await Promise.allSettled([NonBlockingClient.connect(peer.url, { signal })]);
  t.is(outcome?.status === 'rejected' && outcome.reason.name, 'TimeoutError');
});

test('an_abort_that_another_listener_keeps_to_itself_gives_up_too', async t => {
  const server = await EchoServer.start();
  t.teardown(() => server.close());
  for (const client of Object.values(CLIENTS)) {
    const controller = new AbortController();
    const { signal } = controller;
    signal.addEventListener('abort', event => event.stopImmediatePropagation());
    const connecting = client.connect(server.url, { signal });
    controller.abort();
    const [outcome] = await Promise.allSettled([connecting]);
    t.deepEqual(outcome, { status: 'rejected', reason: signal.reason });
  }
});

test('an_abort_races_with_the_end_of_a_connect', async t => {
  const echo = await EchoServer.start();
  t.teardown(() => echo.close());
  const outcomes = new Set<string>();
  for (let turn = 0; turn < 100; turn++) {
    const controller = new AbortController();
    const connecting = AsyncClient.connect(echo.url, { signal: controller.signal, ...WAITING });
    for (let tick = 0; tick < turn; tick++) await new Promise(setImmediate);
    controller.abort();
    const [outcome] = await Promise.allSettled([connecting]);
    outcomes.add(outcome.status);
    if (outcome.status === 'fulfilled') outcome.value[Symbol.dispose]();
    else t.is(outcome.reason, controller.signal.reason);
  }
  t.true(outcomes.has('rejected'));
  t.log([...outcomes].join(', '));
});

test('an_abort_after_the_connect_changes_nothing', async t => {
  const echo = await EchoServer.start();
  t.teardown(() => echo.close());
  const controller = new AbortController();
  const options = { signal: controller.signal, ...WAITING };
  const client = await NonBlockingClient.connect(echo.url, options);
  controller.abort();
  let echoed = '';
  await client.run({
    onActivated: () => client.sendTextMessage('still open'),
    onTextMessage(_, text) {
      echoed = text;
      client.close();
    },
  });
  t.is(echoed, 'still open');
});

/** A port that refuses: it was free a moment ago. */
async function refusingUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return `ws://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

async function echoOnce(client: NonBlockingClient, text: string): Promise<string> {
  let echoed = '';
  await client.run({
    onActivated: () => client.sendTextMessage(text),
    onTextMessage(_, answer) {
      echoed = answer;
      client.close();
    },
  });
  return echoed;
}

test.serial('two_hundred_connects_at_once_are_told_apart', async t => {
  const echo = await EchoServer.start();
  t.teardown(() => echo.close());
  const refusing = await refusingUrl();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 200 }, async (_, index) => {
      const url = index % 2 === 0 ? echo.url : refusing;
      const client = await NonBlockingClient.connect(url, WAITING);
      return echoOnce(client, String(index));
    }),
  );
  for (const [index, outcome] of outcomes.entries()) {
    if (index % 2 === 0) t.deepEqual(outcome, { status: 'fulfilled', value: String(index) });
    else if (outcome.status === 'rejected') {
      t.true(outcome.reason instanceof S9WebSocketError);
      t.is(outcome.reason.code, 'ERR_S9_IO');
      t.is(outcome.reason.cause?.code, 'ECONNREFUSED');
    } else t.fail(`number ${index} was not refused`);
  }
});

test.serial('clients_reconnect_through_the_restarts_of_their_server', async t => {
  let server = await EchoServer.start();
  const { port } = server;
  const url = server.url;
  t.teardown(() => server.close());
  const wanted = 12;
  let over = false;
  const clients = Array.from({ length: 20 }, async (_, number) => {
    for (let echoed = 0; echoed < wanted; ) {
      try {
        const client = await NonBlockingClient.connect(url, WAITING);
        await client.run({
          onActivated: () => client.sendTextMessage(String(number)),
          onTextMessage() {
            if (++echoed === wanted) client.close();
            // Stays until the server goes.
            else if (echoed % 3 !== 0) client.sendTextMessage(String(number));
          },
          onError() {},
        });
      } catch (error) {
        if (!(error instanceof S9WebSocketError)) throw error;
        await new Promise(setImmediate);
      }
    }
  });
  const all = Promise.all(clients).finally(() => {
    over = true;
  });
  while (!over) {
    // Each client waits for the end of its third message's connection.
    await new Promise(resolve => setTimeout(resolve, 50));
    await server.close();
    server = await EchoServer.start({ port });
  }
  await all;
  t.pass();
});

test('an_echo_server_on_a_port_that_is_taken_names_the_systems_error', async t => {
  await using first = await EchoServer.start();
  const error = await t.throwsAsync(EchoServer.start({ port: first.port }), {
    instanceOf: S9WebSocketError,
    code: 'ERR_S9_IO',
  });
  t.true(error?.cause instanceof Error);
  t.like(error?.cause, { code: 'EADDRINUSE' });
  t.regex(String(error?.cause), /in use/);
});
