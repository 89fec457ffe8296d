// While a client runs without blocking the thread, everything else in Node goes on living.

import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay, setImmediate as immediate } from 'node:timers/promises';

import test from 'ava';
import { S9AsyncNonBlockingWebSocketClient, S9NonBlockingWebSocketClient } from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';
import { WebSocket } from 'ws';

import { CALLBACK_WAYS, type Speaker, WAYS, type Way } from './ways.mjs';

/** What goes on in a program beside a client; each resolves once it is done. */
const LIVES: Record<string, (url: string) => Promise<unknown>> = {
  async promises() {
    for (let count = 0; count < 10_000; count++) await undefined;
  },
  async immediates() {
    for (let count = 0; count < 100; count++) await immediate();
  },
  async timeouts() {
    for (let count = 0; count < 20; count++) await delay(1);
  },
  async an_interval() {
    let ticks = 0;
    await new Promise<void>(resolve => {
      const timer = setInterval(() => {
        if (++ticks < 10) return;
        clearInterval(timer);
        resolve();
      }, 2);
    });
  },
  /** Server and client both live in this event loop. */
  async http() {
    const server = createServer((_, response) => response.end('served'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    for (let count = 0; count < 5; count++) {
      const [response] = await once(get({ port, agent: false }), 'response');
      let body = '';
      for await (const chunk of response) body += chunk;
      if (body !== 'served') throw new Error(`a body of ${JSON.stringify(body)}`);
    }
    server.close();
  },
  async another_client_of_ours(url) {
    const client = await S9NonBlockingWebSocketClient.connect(url);
    let echoes = 0;
    await client.run({
      onActivated: () => client.sendTextMessage('go'),
      onTextMessage: (_: unknown, text: string) => {
        if (++echoes < 100) client.sendTextMessage(text);
        else client.close();
      },
    });
  },
  async a_client_of_ws(url) {
    const socket = new WebSocket(url);
    await once(socket, 'open');
    for (let count = 0; count < 100; count++) {
      socket.send('go');
      await once(socket, 'message');
    }
    socket.close();
    await once(socket, 'close');
  },
};

const LIVELY: Record<string, Way> = { ...WAYS };
for (const [name, { blocksThread }] of Object.entries(CALLBACK_WAYS)) {
  if (blocksThread) delete LIVELY[name];
}

for (const [name, way] of Object.entries(LIVELY)) {
  for (const busy of [false, true]) {
    test.serial(`${name}_lets_the_rest_live_while_${busy ? 'busy' : 'idle'}`, async t => {
      const server = await EchoServer.start();
      let messages = 0;
      let closing = false;
      let over = false;
      let activated: (speaker: Speaker) => void;
      const speaking = new Promise<Speaker>(resolve => {
        activated = resolve;
      });
      const running = way.run(server.url, {}, (event, speaker) => {
        if (event.type === 'activated') activated(speaker);
        if (event.type === 'textMessage') messages++;
        if (event.type === 'quit') over = true;
        else if (busy && !closing) speaker.text('again');
      });
      const speaker = await Promise.race([speaking, running]);
      for (const [what, live] of Object.entries(LIVES)) {
        const before = messages;
        await live(server.url);
        t.false(over, `the client ended during ${what}`);
        // Both go on: nobody has the event loop for himself.
        while (busy && messages === before) await immediate();
      }
      await Promise.all(Object.values(LIVES).map(live => live(server.url)));
      t.is(messages > 0, busy);
      closing = true;
      speaker?.close();
      await running;
      await server.close();
    });
  }
}

test('clients_run_beside_one_another', async t => {
  const server = await EchoServer.start();
  const counts = await Promise.all(
    Object.values(LIVELY).map(async way => {
      let echoes = 0;
      await way.run(server.url, {}, (event, speaker) => {
        if (event.type === 'activated') speaker.text('go');
        if (event.type !== 'textMessage') return;
        if (++echoes < 200) speaker.text(event.data);
        else speaker.close();
      });
      return echoes;
    }),
  );
  await server.close();
  t.deepEqual(
    counts,
    counts.map(() => 200),
  );
});

for (const [name, way] of Object.entries(CALLBACK_WAYS).filter(([, way]) => !way.blocksThread)) {
  for (const end of ['close', 'dispose'] as const) {
    test.serial(`${name}_calls_back_in_the_context_of_run_until_${end}`, async t => {
      const server = await EchoServer.start();
      t.teardown(() => server.close());
      const context = new AsyncLocalStorage<string>();
      const client = await context.run('connect', () => way.connect(server.url, {}));
      const seen: string[] = [];
      const see = (callback: string) => void seen.push(`${callback}: ${context.getStore()}`);
      let arrived = () => {};
      const running = context.run('run', () =>
        way.run(client, {
          onActivated: () => see('onActivated'),
          onTextMessage() {
            see('onTextMessage');
            arrived();
          },
          onConnectionClosed: () => see('onConnectionClosed'),
          onQuit: () => see('onQuit'),
        }),
      );
      for (let count = 0; count < 3; count++) {
        const arrival = new Promise<void>(resolve => {
          arrived = resolve;
        });
        context.run('send', () => client.sendTextMessage('text'));
        await arrival;
        // Until it waits again, where it waits.
        for (let turn = 0; turn < 10; turn++) await immediate();
      }
      context.run('end', () => {
        if (end === 'close') client.close();
        else client[Symbol.dispose]();
      });
      await running;
      const messages = Array.from({ length: 3 }, () => 'onTextMessage');
      const last = end === 'close' ? ['onConnectionClosed', 'onQuit'] : ['onQuit'];
      t.deepEqual(
        seen,
        ['onActivated', ...messages, ...last].map(callback => `${callback}: run`),
      );
    });
  }
}

test.serial('what_receives_from_a_channel_keeps_its_own_context', async t => {
  const server = await EchoServer.start();
  t.teardown(() => server.close());
  const context = new AsyncLocalStorage<string>();
  const client = await S9AsyncNonBlockingWebSocketClient.connect(server.url);
  const thread = context.run('run', () => client.run());
  const receive = async (name: string) => {
    await client.eventRx.recv();
    t.is(context.getStore(), name);
    for await (const _ of client.eventRx) t.is(context.getStore(), name);
  };
  const receiving = ['one', 'two'].map(name => context.run(name, () => receive(name)));
  context.run('send', () => client.controlTx.send({ type: 'sendText', text: 'text' }));
  context.run('end', () => client.controlTx.send({ type: 'close' }));
  await Promise.race(receiving);
  t.is(context.getStore(), undefined);
  await Promise.all(receiving);
  await context.run('join', async () => {
    await thread.join();
    t.is(context.getStore(), 'join');
  });
});

for (const [kind, options] of Object.entries({ spins: {}, sleeps: { spinWaitDuration: 60_000 } })) {
  test.serial(
    `an_event_loop_falls_asleep_beside_a_thread_that_${kind}_and_misses_nothing`,
    async t => {
      const server = await EchoServer.start();
      t.teardown(() => server.close());
      const client = await S9AsyncNonBlockingWebSocketClient.connect(server.url, options);
      const { controlTx, eventRx } = client;
      const thread = client.run();
      const send = (round: number) => controlTx.send({ type: 'sendText', text: `${round}` });
      let rounds = 0;
      for await (const event of eventRx) {
        if (event.type === 'activated') send(rounds);
        if (event.type !== 'textMessage') continue;
        t.is(event.data, `${rounds}`);
        // It does so after 50 µs, in the middle of these pauses.
        const pauseEnds = performance.now() + (rounds % 100) / 1000;
        while (performance.now() < pauseEnds) await immediate();
        if (++rounds < 3_000) send(rounds);
        else controlTx.send({ type: 'close' });
      }
      await thread.join();
      t.is(rounds, 3_000);
    },
  );

  test.serial(`an_event_loop_beside_a_thread_that_${kind}_sleeps_while_nothing_comes`, async t => {
    const server = await EchoServer.start();
    t.teardown(() => server.close());
    const client = await S9AsyncNonBlockingWebSocketClient.connect(server.url, options);
    const thread = client.run();
    const { controlTx, eventRx } = client;
    await eventRx.recv();
    controlTx.send({ type: 'sendText', text: 'answered once' });
    await eventRx.recv();
    const nothing = eventRx.recv();
    const before = performance.eventLoopUtilization();
    await delay(300);
    const { utilization } = performance.eventLoopUtilization(before);
    t.true(utilization < 0.5, `${utilization}`);
    controlTx.send({ type: 'close' });
    t.is((await nothing).type, 'connectionClosed');
    await thread.join();
  });
}

/** Keeps the thread busy. */
function work(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until) {}
}

/** Counts, until it is called with the last, how many times it is called at most without a turn of the event loop. */
function streaks() {
  let turns = 0;
  let over = false;
  const turn = () => {
    turns++;
    if (!over) setImmediate(turn);
  };
  turn();
  let [before, streak, longest] = [turns, 0, 0];
  return (isLast: boolean): number => {
    over = isLast;
    streak = turns === before ? streak + 1 : 1;
    before = turns;
    longest = Math.max(longest, streak);
    return longest;
  };
}

test.serial('a_slow_handler_of_a_rust_thread_holds_the_event_loop_for_no_second_batch', async t => {
  const server = await EchoServer.start();
  t.teardown(() => server.close());
  const client = await S9NonBlockingWebSocketClient.connect(server.url, { spinWaitDuration: 10 });
  // Too large for two of them in a batch.
  const data = new Uint8Array(40 << 10);
  let left = 64;
  let longest = 0;
  const streak = streaks();
  await client.run(
    {
      onActivated() {
        for (let count = 0; count < left; count++) client.sendBinaryMessage(data);
      },
      onBinaryMessage() {
        work(2);
        left--;
        longest = streak(left === 0);
        if (left === 0) client.close();
      },
    },
    { on: 'background-thread' },
  );
  t.is(longest, 1);
});

test.serial('a_slow_iteration_holds_the_event_loop_for_a_few_events', async t => {
  const server = await EchoServer.start();
  t.teardown(() => server.close());
  const client = await S9AsyncNonBlockingWebSocketClient.connect(server.url);
  const thread = client.run();
  let left = 200;
  let longest = 0;
  for (let count = 0; count < left; count++) {
    client.controlTx.send({ type: 'sendText', text: 'text' });
  }
  while (client.eventRx.length < left) await immediate();
  const streak = streaks();
  for await (const event of client.eventRx) {
    if (event.type !== 'textMessage') continue;
    work(0.2);
    left--;
    longest = streak(left === 0);
    if (left === 0) client.controlTx.send({ type: 'close' });
  }
  await thread.join();
  t.true(longest <= 32, `${longest} events`);
});

test.serial('a_wait_is_cut_only_for_a_handler_that_is_told_of_idle_turns', async t => {
  const server = await EchoServer.start();
  t.teardown(() => server.close());
  const original = globalThis.setTimeout;
  t.teardown(() => {
    globalThis.setTimeout = original;
  });
  for (const isTold of [false, true]) {
    let cuts = 0;
    globalThis.setTimeout = ((callback: () => void, after?: number) => {
      if (after === 7) cuts++;
      return original(callback, after);
    }) as typeof setTimeout;
    const client = await S9NonBlockingWebSocketClient.connect(server.url, { spinWaitDuration: 7 });
    // Waits end early enough for the one who is told of that, and not before the end for the other.
    const told = { onIdle: () => cuts > 0 && client.close() };
    const untold = { onActivated: () => void original(() => client.close(), 50) };
    await client.run(isTold ? told : untold);
    t.is(cuts > 0, isTold);
  }
});
