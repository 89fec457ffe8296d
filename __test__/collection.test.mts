// Clients that are let go of: by the garbage collector, by `using`, by dispose in every callback.

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

import test, { type ExecutionContext } from 'ava';
import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9BlockingWebSocketClient as BlockingClient,
  S9NonBlockingWebSocketClient as NonBlockingClient,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

const WAITING = { spinWaitDuration: 60_000 };
const DEADLINE = 10_000;

/** A server in a thread of its own that tells with which codes it was left. */
async function start(t: ExecutionContext) {
  const server = new Worker(new URL('children/tattling-server.mjs', import.meta.url));
  t.teardown(() => server.terminate());
  const [port] = await once(server, 'message');
  const codes: number[] = [];
  server.on('message', code => codes.push(code));
  return { url: `ws://127.0.0.1:${port}`, codes };
}

async function until(reached: () => boolean, meanwhile = () => {}) {
  const deadline = performance.now() + DEADLINE;
  while (!reached() && performance.now() < deadline) {
    meanwhile();
    await new Promise(setImmediate);
  }
}

/** Threads that run a client; those of the test's process alone, by their name. */
function clientThreads(): number {
  if (process.platform !== 'linux') return 0;
  return readdirSync('/proc/self/task').filter(thread => {
    try {
      return readFileSync(`/proc/self/task/${thread}/comm`, 'latin1').trim() === 's9-websocket';
    } catch {
      // Ended while being looked at.
      return false;
    }
  }).length;
}

const DROPPED: Record<string, (url: string) => Promise<void>> = {
  async non_blocking(url) {
    await NonBlockingClient.connect(url);
  },
  async non_blocking_sync(url) {
    NonBlockingClient.connectSync(url);
  },
  async blocking(url) {
    await BlockingClient.connect(url);
  },
  async polled(url) {
    const client = await NonBlockingClient.connect(url);
    client.poll({ onActivated: client => client.sendTextMessage('hello') });
  },
  async async_never_run(url) {
    await AsyncClient.connect(url);
  },
  async async_running(url) {
    (await AsyncClient.connect(url, WAITING)).run();
  },
  async async_spinning(url) {
    (await AsyncClient.connect(url)).run();
  },
  async async_with_a_full_channel(url) {
    // The peer's Close is read all the same.
    (await AsyncClient.connect(url, { ...WAITING, eventCapacity: 1, closeTimeout: 60_000 })).run();
  },
  async async_that_was_received_from(url) {
    const client = await AsyncClient.connect(url, WAITING);
    client.run();
    for await (const { type } of client.eventRx) if (type === 'activated') break;
  },
};

for (const [name, make] of Object.entries(DROPPED)) {
  test.serial(`a_dropped_${name}_client_is_collected_and_closes_with_1000`, async t => {
    const { url, codes } = await start(t);
    for (let client = 0; client < 5; client++) await make(url);
    await until(
      () => codes.length === 5,
      () => globalThis.gc?.(),
    );
    t.deepEqual(codes, [1000, 1000, 1000, 1000, 1000]);
    await until(() => clientThreads() === 0);
    t.is(clientThreads(), 0);
  });
}

/** Bytes that this thread's buffers hold. */
const buffers = () => process.memoryUsage().arrayBuffers;

test.serial('an_iteration_that_is_left_gives_its_memory_back', async t => {
  const echo = await EchoServer.start();
  t.teardown(() => echo.close());
  const leave = async () => {
    const client = await AsyncClient.connect(echo.url, WAITING);
    const handle = client.run();
    for (let count = 0; count < 10; count++) client.controlTx.send({ type: 'sendText', text: '' });
    await until(() => client.eventRx.length >= 10);
    for await (const { type } of client.eventRx) if (type === 'activated') break;
    client.controlTx.send({ type: 'forceQuit' });
    await handle.join();
  };
  await leave();
  globalThis.gc?.();
  const before = buffers();
  for (let count = 0; count < 20; count++) await leave();
  // The memory for one batch is 88 KiB.
  const isGivenBack = () => buffers() - before < 400_000;
  await until(isGivenBack, () => globalThis.gc?.());
  t.true(isGivenBack(), `${buffers() - before} bytes are left`);
});

for (const [kind, part] of [
  ['ASCII', 'a text '],
  ['other', '€ and more '],
] as const) {
  test.serial(`a_text_that_is_kept_keeps_little_else_${kind}`, async t => {
    const echo = await EchoServer.start();
    t.teardown(() => echo.close());
    const client = await NonBlockingClient.connect(echo.url, WAITING);
    const [sent, every] = [200_000, 500];
    const kept: string[] = [];
    let received = 0;
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    await client.run({
      onActivated(client) {
        client.cork(() => {
          for (let count = 0; count < sent; count++) client.sendTextMessage(part.repeat(6));
        });
      },
      onTextMessage(client, text) {
        if (received++ % every === 0) kept.push(text);
        if (received === sent) client.close();
      },
    });
    globalThis.gc?.();
    const used = process.memoryUsage().heapUsed - before;
    t.is(kept.length, sent / every);
    // A read's worth of texts is 64 KiB.
    t.true(used < kept.length * 8_192, `${used} bytes for ${kept.length} texts`);
  });
}

test.serial('a_client_in_use_is_not_collected', async t => {
  const { url, codes } = await start(t);
  const { eventRx, controlTx } = await (async () => {
    const client = await AsyncClient.connect(url, WAITING);
    client.run();
    return client;
  })();
  const runs = [
    (await NonBlockingClient.connect(url, WAITING)).run({}),
    (await NonBlockingClient.connect(url, WAITING)).run({}, { on: 'background-thread' }),
    (await BlockingClient.connect(url)).run({}),
  ];
  const settled: string[] = [];
  for (const run of runs) run.finally(() => settled.push('a run'));
  for (let turn = 0; turn < 50; turn++) {
    globalThis.gc?.();
    await new Promise(setImmediate);
  }
  controlTx.send({ type: 'sendText', text: 'still here' });
  t.is((await eventRx.recv()).type, 'activated');
  t.is((await eventRx.recv()).type, 'textMessage');
  t.deepEqual(codes, []);
  t.deepEqual(settled, []);
});

test.serial('using_closes_with_1000_in_each_state', async t => {
  const { url, codes } = await start(t);
  {
    using _unused = await NonBlockingClient.connect(url);
    using _blocking = await BlockingClient.connect(url);
    using _neverRun = await AsyncClient.connect(url);
    using running = await AsyncClient.connect(url, WAITING);
    running.run();
    using polled = await NonBlockingClient.connect(url);
    polled.poll({});
    using ended = await NonBlockingClient.connect(url, WAITING);
    await ended.run({ onActivated: client => client.close(4000) });
  }
  await until(() => codes.length === 6);
  t.deepEqual(codes.sort(), [1000, 1000, 1000, 1000, 1000, 4000]);
  await until(() => clientThreads() === 0);
  t.is(clientThreads(), 0);
});

type Client = NonBlockingClient | BlockingClient;

const RUNS: Record<string, (url: string, handler: object) => Promise<Client>> = {
  async run(url, handler) {
    const client = await NonBlockingClient.connect(url);
    await client.run(handler);
    return client;
  },
  async run_waiting(url, handler) {
    // Short enough for an idle turn to come.
    const client = await NonBlockingClient.connect(url, { spinWaitDuration: 5 });
    await client.run(handler);
    return client;
  },
  async run_sync(url, handler) {
    const client = await NonBlockingClient.connect(url);
    client.runSync(handler);
    return client;
  },
  async poll(url, handler) {
    const client = await NonBlockingClient.connect(url);
    while (client.poll(handler)) await new Promise(setImmediate);
    return client;
  },
  async thread(url, handler) {
    const client = await NonBlockingClient.connect(url, WAITING);
    await client.run(handler, { on: 'background-thread' });
    return client;
  },
  async blocking_run(url, handler) {
    const client = await BlockingClient.connect(url);
    await client.run(handler);
    return client;
  },
  async blocking_run_sync(url, handler) {
    const client = await BlockingClient.connect(url, { readTimeout: 5 });
    client.runSync(handler);
    return client;
  },
};

const CALLBACKS = [
  'onActivated',
  'onPoll',
  'onIdle',
  'onTextMessage',
  'onBinaryMessage',
  'onPing',
  'onPong',
];

/**
 * What makes the server answer so that the callback comes, once: were it to write again to a socket
 * that is closed already, it would fail before it has read the Close frame.
 */
const PROVOKES: Record<string, (client: Client) => void> = {
  // On a thread they come with a batch only.
  onPoll: client => client.sendPing(),
  onIdle: client => client.sendPing(),
  onTextMessage: client => client.sendTextMessage('text'),
  onBinaryMessage: client => client.sendBinaryMessage(Buffer.from('binary')),
  onPing: client => client.sendTextMessage('ping'),
  onPong: client => client.sendPing(),
};

/** A handler that provokes a callback and logs which came; `act` happens in it. */
function provoking(callback: string, act: (client: Client) => void) {
  const log: string[] = [];
  const handler: Record<string, (client: Client) => void> = {};
  for (const name of [...CALLBACKS, 'onConnectionClosed', 'onError', 'onQuit']) {
    // These cost nothing where nobody wants them; whoever does is called at every turn.
    if ((name === 'onPoll' || name === 'onIdle') && name !== callback) continue;
    handler[name] = client => {
      log.push(name);
      if (name === 'onActivated') PROVOKES[callback]?.(client);
      if (name === callback) act(client);
    };
  }
  return { handler, log };
}

for (const [name, run] of Object.entries(RUNS)) {
  test.serial(`${name}_can_be_disposed_of_in_every_callback`, async t => {
    const { url, codes } = await start(t);
    for (const callback of CALLBACKS) {
      const { handler, log } = provoking(callback, client => {
        client[Symbol.dispose]();
        client[Symbol.dispose]();
      });
      const client = await run(url, handler);
      t.is(log.at(-1), 'onQuit', callback);
      t.is(log.at(-2), callback);
      t.is(log.filter(entry => entry === 'onQuit').length, 1);
      t.throws(() => client.sendTextMessage('late'), { code: 'ERR_S9_CONNECTION_CLOSED' });
      t.throws(() => client.runSync({}), { code: 'ERR_S9_CONNECTION_CLOSED' });
      t.false(client.poll({}));
    }
    await until(() => codes.length === CALLBACKS.length);
    t.deepEqual(
      codes,
      CALLBACKS.map(() => 1000),
    );
  });

  test.serial(`${name}_can_be_disposed_of_in_its_last_callbacks`, async t => {
    const { url, codes } = await start(t);
    for (const last of ['onConnectionClosed', 'onQuit']) {
      const log: string[] = [];
      await run(url, {
        onActivated: (client: Client) => client.close(4000),
        onConnectionClosed(client: Client) {
          log.push('onConnectionClosed');
          if (last === 'onConnectionClosed') client[Symbol.dispose]();
        },
        onQuit(client: Client) {
          log.push('onQuit');
          if (last === 'onQuit') client[Symbol.dispose]();
        },
      });
      t.deepEqual(log, ['onConnectionClosed', 'onQuit']);
    }
    await until(() => codes.length === 2);
    t.deepEqual(codes, [4000, 4000]);
  });

  test.serial(`${name}_refuses_another_run_inside`, async t => {
    const { url } = await start(t);
    const codes: unknown[] = [];
    await run(url, {
      async onActivated(client: Client) {
        for (const again of [() => client.runSync({}), () => client.poll({})]) {
          codes.push((t.throws(again as () => void) as { code?: string } | undefined)?.code);
        }
        const runs =
          client instanceof NonBlockingClient
            ? [client.run({}), client.run({}, { on: 'background-thread' })]
            : [client.run({})];
        client.close();
        for (const outcome of await Promise.allSettled(runs)) {
          codes.push(outcome.status === 'rejected' && outcome.reason.code);
        }
      },
    });
    await until(() => codes.length >= 3);
    t.true(
      codes.every(code => code === 'ERR_S9_SOCKET_UNAVAILABLE'),
      codes.join(),
    );
  });
}

test.serial('a_run_that_waits_ends_when_its_client_is_disposed_of', async t => {
  const { url, codes } = await start(t);
  const waiting = await NonBlockingClient.connect(url, WAITING);
  const spinning = await NonBlockingClient.connect(url);
  const thread = await NonBlockingClient.connect(url, WAITING);
  const blocking = await BlockingClient.connect(url);
  const quits: string[] = [];
  const runs = [
    waiting.run({ onQuit: () => quits.push('waiting') }),
    spinning.run({ onQuit: () => quits.push('spinning') }),
    thread.run({ onQuit: () => quits.push('thread') }, { on: 'background-thread' }),
    blocking.run({ onQuit: () => quits.push('blocking') }),
  ];
  setTimeout(() => {
    for (const client of [waiting, spinning, thread, blocking]) client[Symbol.dispose]();
  }, 20);
  await Promise.all(runs);
  t.deepEqual(quits.sort(), ['blocking', 'spinning', 'thread', 'waiting']);
  await until(() => codes.length === 4);
  t.deepEqual(codes, [1000, 1000, 1000, 1000]);
});

test.serial(
  'a_client_disposed_of_between_polls_tells_on_quit_at_the_next_one_and_once',
  async t => {
    const { url } = await start(t);
    const client = await NonBlockingClient.connect(url);
    const told: string[] = [];
    const handler = {
      onActivated: () => void told.push('onActivated'),
      onQuit() {
        told.push('onQuit');
        throw new Error('mine');
      },
    };
    await until(() => told.length > 0 || !client.poll(handler));
    client[Symbol.dispose]();
    t.deepEqual(told, ['onActivated']);
    t.throws(() => client.poll(handler), { message: 'mine' });
    t.deepEqual(told, ['onActivated', 'onQuit']);
    const other = { onQuit: () => void told.push('another onQuit') };
    t.false(client.poll(other));
    t.deepEqual(told, ['onActivated', 'onQuit']);
  },
);

test.serial('a_poll_leaves_the_on_quit_of_a_run_that_goes_on_to_that', async t => {
  const { url } = await start(t);
  for (const on of ['event-loop', 'background-thread'] as const) {
    const client = await NonBlockingClient.connect(url, WAITING);
    const told: string[] = [];
    let activated = () => {};
    const activation = new Promise<void>(resolve => {
      activated = resolve;
    });
    const run = client.run(
      { onActivated: () => activated(), onQuit: () => void told.push('the run') },
      { on },
    );
    await activation;
    client[Symbol.dispose]();
    t.throws(() => client.poll({ onQuit: () => void told.push('the poll') }));
    await run;
    t.deepEqual(told, ['the run']);
    t.false(client.poll({}));
  }
});
