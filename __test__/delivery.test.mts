// What a client knows of the message being delivered, and what goes out in one write.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import test, { type ExecutionContext } from 'ava';
import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9BlockingWebSocketClient as BlockingClient,
  S9NonBlockingWebSocketClient as NonBlockingClient,
} from 's9-websocket';

import { upgradingPeer } from './unhelpful-peers.mjs';

/** The most events that a client delivers at once. */
const BATCH_CAPACITY = 1024;

type Client = NonBlockingClient | BlockingClient;
type Handler = {
  onActivated(client: Client): void;
  onTextMessage(client: Client, text: string): void;
};

// Each write is to go out at once, so that two are told from one.
const SPINNING = { nodelay: true };
const WAITING = { ...SPINNING, spinWaitDuration: 60_000 };

const RUNS: Record<string, (url: string, handler: Handler) => Promise<void>> = {
  run: async (url, handler) => (await NonBlockingClient.connect(url, SPINNING)).run(handler),
  run_waiting: async (url, handler) => (await NonBlockingClient.connect(url, WAITING)).run(handler),
  run_sync: async (url, handler) =>
    (await NonBlockingClient.connect(url, SPINNING)).runSync(handler),
  poll: async (url, handler) => {
    const client = await NonBlockingClient.connect(url, SPINNING);
    while (client.poll(handler)) await new Promise(setImmediate);
  },
  thread: async (url, handler) =>
    (await NonBlockingClient.connect(url, WAITING)).run(handler, { on: 'background-thread' }),
  thread_spinning: async (url, handler) =>
    (await NonBlockingClient.connect(url, SPINNING)).run(handler, { on: 'background-thread' }),
  blocking_run: async (url, handler) => (await BlockingClient.connect(url, SPINNING)).run(handler),
  blocking_run_sync: async (url, handler) =>
    (await BlockingClient.connect(url, SPINNING)).runSync(handler),
};

async function start(t: ExecutionContext) {
  const peer = new Worker(new URL('children/chunk-server.mjs', import.meta.url));
  t.teardown(() => peer.terminate());
  const [port] = await once(peer, 'message');
  return { url: `ws://127.0.0.1:${port}`, peer };
}

const BURSTS = 20;

for (const [name, run] of Object.entries(RUNS)) {
  test.serial(`${name}_tells_when_messages_were_read_and_how_many_follow`, async t => {
    const { url } = await start(t);
    const backlogs: number[][] = [];
    const times: number[] = [];
    const begun = performance.now();
    let asked = begun;
    await run(url, {
      onActivated(client) {
        client.sendTextMessage('burst 10 1');
      },
      onTextMessage(client, text) {
        if (text === '0') backlogs.push([]);
        backlogs.at(-1)?.push(client.backlog);
        const { receivedAt } = client;
        t.true(receivedAt >= asked - 1, `${receivedAt} is before the request, ${asked}`);
        t.true(receivedAt <= performance.now() + 1);
        times.push(receivedAt);
        if (text !== '9') return;
        if (backlogs.length === BURSTS) return client.forceQuit();
        asked = performance.now();
        client.sendTextMessage('burst 10 1');
      },
    });
    t.is(times.length, BURSTS * 10);
    t.true(times.every((time, index) => index === 0 || time >= (times[index - 1] ?? 0)));
    const descending = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
    // A burst is one write, and by far most are one read.
    const whole = backlogs.filter(backlog => backlog.join() === descending.join());
    t.true(whole.length > BURSTS / 2, JSON.stringify(backlogs));
    t.true(backlogs.every(backlog => backlog.at(-1) === 0));
  });

  test.serial(`${name}_tells_of_no_message_behind_the_last_one`, async t => {
    const { url } = await start(t);
    // Batches that are full and not, and messages that are handed over singly.
    const kinds = [
      { count: BATCH_CAPACITY, length: 4 },
      { count: 2 * BATCH_CAPACITY, length: 4 },
      { count: BATCH_CAPACITY + 1, length: 4 },
      { count: 3, length: 8 * 1024 },
    ];
    const bursts = Array.from({ length: 4 }, () => kinds).flat();
    const burst = ({ count, length }: { count: number; length: number }) =>
      `burst ${count} ${length}`;
    const backlogs: number[] = [];
    let current = bursts.shift();
    await run(url, {
      onActivated(client) {
        if (current) client.sendTextMessage(burst(current));
      },
      onTextMessage(client, text) {
        backlogs.push(client.backlog);
        if (Number.parseInt(text, 10) + 1 !== current?.count) return;
        t.is(client.backlog, 0, burst(current));
        current = bursts.shift();
        if (current) client.sendTextMessage(burst(current));
        else client.forceQuit();
      },
    });
    // By far most bursts are one read.
    t.true(backlogs.includes(BATCH_CAPACITY - 1));
  });

  test.serial(`${name}_sends_what_is_corked_in_one_write`, async t => {
    const { url, peer } = await start(t);
    const chunks: number[][] = [];
    peer.on('message', counts => chunks.push(counts));
    const round = (client: Client) => {
      client.cork(() => {
        for (let number = 0; number < 200; number++) client.sendTextMessage(`corked ${number}`);
      });
      client.sendTextMessage('end');
    };
    let rounds = 0;
    await run(url, {
      onActivated: round,
      onTextMessage(client) {
        if (++rounds < 10) round(client);
        else client.forceQuit();
      },
    });
    while (chunks.length < 10) await once(peer, 'message');
    t.deepEqual(
      chunks,
      Array.from({ length: 10 }, () => [200]),
    );
  });
}

test.serial('channel_events_tell_when_their_bytes_were_read', async t => {
  const { url } = await start(t);
  const client = await AsyncClient.connect(url, WAITING);
  t.teardown(() => client[Symbol.dispose]());
  client.run();
  let last = 0;
  for (let burst = 0; burst < BURSTS; burst++) {
    const asked = performance.now();
    client.controlTx.send({ type: 'sendText', text: 'burst 10 1' });
    for (;;) {
      const event = await client.eventRx.recv();
      t.true(event.receivedAt >= last);
      t.true(event.receivedAt <= performance.now() + 1);
      last = event.receivedAt;
      if (event.type !== 'textMessage') continue;
      t.true(event.receivedAt >= asked - 1);
      if (event.data === '9') break;
    }
  }
});

test.serial('receivedAt_is_when_bytes_were_read_and_not_when_they_are_delivered', async t => {
  const { url } = await start(t);
  const client = await AsyncClient.connect(url, WAITING);
  t.teardown(() => client[Symbol.dispose]());
  client.run();
  client.controlTx.send({ type: 'sendText', text: 'burst 10 1' });
  while (client.eventRx.length < 12) await new Promise(setImmediate);
  const read = performance.now();
  await new Promise(resolve => setTimeout(resolve, 100));
  const events = client.eventRx.drain();
  t.is(events.length, 12);
  for (const { receivedAt } of events) t.true(receivedAt <= read + 1, `${receivedAt} > ${read}`);
});

test.serial('a_cork_around_the_start_of_a_thread_keeps_nothing_back', async t => {
  const { url, peer } = await start(t);
  const client = await NonBlockingClient.connect(url, WAITING);
  let running: Promise<void> | undefined;
  client.cork(() => {
    client.sendTextMessage('corked 0');
    const onTextMessage = () => client.forceQuit();
    running = client.run({ onTextMessage }, { on: 'background-thread' });
    client.sendTextMessage('end');
  });
  const [chunks] = await once(peer, 'message');
  t.deepEqual(chunks, [1]);
  await running;
});

for (const blocking of [false, true]) {
  const name = blocking ? 'blocking' : 'non_blocking';
  test.serial(`${name}_cork_ends_with_what_is_thrown_inside`, async t => {
    const { url, peer } = await start(t);
    const client = await (blocking ? BlockingClient : NonBlockingClient).connect(url);
    const thrown = new Error('inside');
    const work = () =>
      client.cork(() => {
        client.sendTextMessage('corked 0');
        client.sendTextMessage('corked 1');
        t.true(client.bufferedAmount > 0);
        throw thrown;
      });
    t.is(t.throws(work), thrown);
    t.is(client.bufferedAmount, 0);
    client.sendTextMessage('end');
    const [chunks] = await once(peer, 'message');
    t.deepEqual(chunks, [2]);
    for (const wrong of [undefined, null, 'sends', {}]) {
      t.throws(() => client.cork(wrong as () => void), {
        code: 'ERR_S9_INVALID_CONFIGURATION',
        message: /^invalid sends: /,
      });
    }
    client[Symbol.dispose]();
  });

  test.serial(`${name}_corks_may_be_nested`, async t => {
    const { url, peer } = await start(t);
    const client = await (blocking ? BlockingClient : NonBlockingClient).connect(url);
    client.cork(() => {
      client.sendTextMessage('corked 0');
      client.cork(() => client.sendTextMessage('corked 1'));
      t.true(client.bufferedAmount > 0);
      client.sendTextMessage('corked 2');
    });
    client.sendTextMessage('end');
    const [chunks] = await once(peer, 'message');
    t.deepEqual(chunks, [3]);
    client[Symbol.dispose]();
  });
}

test.serial('a_cork_blocks_where_a_send_does', async t => {
  // Nobody reads there while the thread is blocked.
  const peer = await upgradingPeer(() => {});
  t.teardown(() => peer.close());
  const message = Buffer.alloc(32_000_000);
  const sends: Record<string, (client: BlockingClient) => void> = {
    send: client => client.sendBinaryMessage(message),
    cork: client => client.cork(() => client.sendBinaryMessage(message)),
  };
  for (const [name, send] of Object.entries(sends)) {
    const client = await BlockingClient.connect(peer.url, { writeTimeout: 500 });
    let took = 0;
    client.runSync({
      onActivated(client) {
        const begun = performance.now();
        send(client);
        took = performance.now() - begun;
        client.forceQuit();
      },
    });
    t.true(took >= 500, `${name} took ${took} ms`);
  }
});
