// One case of a client's life in a process of its own, which is to end by itself without a word on
// stderr: what an assertion finds is an uncaught exception. Arguments: the case, an echo server's URL.

import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9BlockingWebSocketClient as BlockingClient,
  ControlMessage,
  S9NonBlockingWebSocketClient as NonBlockingClient,
  S9WebSocketError,
} from 's9-websocket';

const [name = '', url = '', refusing = ''] = process.argv.slice(2);

const WAITING = { spinWaitDuration: 1_000 };
const closed = { code: 'ERR_S9_CONNECTION_CLOSED' };
const taken = { code: 'ERR_S9_SOCKET_UNAVAILABLE' };

type Client = NonBlockingClient | BlockingClient;

const RUNS: Record<string, (handler: object) => Promise<Client>> = {
  async run(handler) {
    const client = await NonBlockingClient.connect(url);
    await client.run(handler);
    return client;
  },
  async run_sync(handler) {
    const client = NonBlockingClient.connectSync(url, { spinWaitDuration: 5 });
    client.runSync(handler);
    return client;
  },
  async thread(handler) {
    const client = await NonBlockingClient.connect(url, WAITING);
    await client.run(handler, { on: 'background-thread' });
    return client;
  },
  async blocking_run(handler) {
    const client = await BlockingClient.connect(url);
    await client.run(handler);
    return client;
  },
  async blocking_run_sync(handler) {
    const client = BlockingClient.connectSync(url, { readTimeout: 5 });
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
  'onPong',
  'onConnectionClosed',
  'onQuit',
];

/** Has every callback called, and ends once all have come. */
function provoking(): Record<string, (client: Client) => unknown> {
  let complete = false;
  return {
    onActivated(client) {
      client.sendTextMessage('text');
      client.sendBinaryMessage(Buffer.from('binary'));
      client.sendPing();
    },
    onPoll() {},
    onIdle: client => complete && client.close(),
    onTextMessage() {},
    onBinaryMessage() {},
    onPong() {
      complete = true;
    },
    onConnectionClosed() {},
    onQuit() {},
  };
}

/** Asks through a client that runs, from promises. */
async function ask(client: NonBlockingClient, questions: number): Promise<void> {
  const answers: Array<(text: string) => void> = [];
  const running = client.run({ onTextMessage: (_, text) => answers.shift()?.(text) });
  for (let number = 0; number < questions; number++) {
    const answer = new Promise<string>(resolve => answers.push(resolve));
    client.sendTextMessage(String(number));
    assert.equal(await answer, String(number));
  }
  client.close();
  await running;
}

async function letGo(): Promise<void> {
  await NonBlockingClient.connect(url);
  await BlockingClient.connect(url);
  (await AsyncClient.connect(url)).run();
  (await AsyncClient.connect(url, WAITING)).run();
}

/** Calls `work` with no file descriptor left to the process. */
async function withoutDescriptors(work: () => Promise<void>): Promise<void> {
  const opened: number[] = [];
  try {
    for (;;) opened.push(openSync('/dev/null', 'r'));
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EMFILE');
  }
  await work();
  for (const descriptor of opened) closeSync(descriptor);
}

const CASES: Record<string, () => Promise<void>> = {
  async clients_are_collected_without_a_close() {
    await letGo();
    for (let turn = 0; turn < 10; turn++) {
      globalThis.gc?.();
      await delay(5);
    }
  },
  async every_callback_throws() {
    for (const [way, run] of Object.entries(RUNS)) {
      for (const callback of CALLBACKS) {
        const thrown = new Error(callback);
        const handler = {
          ...provoking(),
          [callback]() {
            throw thrown;
          },
        };
        const outcome = await run(handler).catch(error => error);
        assert.equal(outcome, thrown, `${way} ${callback}`);
      }
    }
  },
  async a_closed_client_refuses_everything() {
    for (const run of Object.values(RUNS)) {
      const client = await run({ onActivated: (client: Client) => client.close() });
      for (const late of [
        () => client.sendTextMessage('late'),
        () => client.sendBinaryMessage(Buffer.from('late')),
        () => client.sendPing(),
        () => client.sendPong(),
        () => client.cork(() => client.sendTextMessage('late')),
        () => client.runSync({}),
      ]) {
        assert.throws(late, closed);
      }
      await assert.rejects(client.run({}), closed);
      assert.throws(() => client.socket, taken);
      assert.equal(client.poll({}), false);
      assert.equal(client.bufferedAmount, 0);
      assert.equal(client.response.status, 101);
      client.close();
      client.forceQuit();
      client[Symbol.dispose]();
    }
    const client = await AsyncClient.connect(url);
    const thread = client.run();
    client.controlTx.send(ControlMessage.close());
    await thread.join();
    assert.throws(() => client.controlTx.send(ControlMessage.sendText('late')), closed);
    client.controlTx.send(ControlMessage.close());
    client.controlTx.send(ControlMessage.forceQuit());
    assert.throws(() => client.run());
    assert.equal(client.socket, null);
    assert.equal(client.eventRx.drain().length, 3);
    assert.throws(() => client.eventRx.tryRecv(), { code: 'ERR_S9_CHANNEL_DISCONNECTED' });
    assert.equal(thread.joinSync(), true);
    client[Symbol.dispose]();
  },
  async a_run_inside_a_run_is_refused() {
    for (const run of Object.values(RUNS)) {
      let inside: Promise<void> | undefined;
      await run({
        onActivated(client: Client) {
          assert.throws(() => client.runSync({}), taken);
          assert.throws(() => client.poll({}), taken);
          inside = assert.rejects(client.run({}), taken);
          client.close();
        },
      });
      await inside;
    }
  },
  async a_run_that_finds_no_descriptor_ends_its_client() {
    const waiting = await NonBlockingClient.connect(url, WAITING);
    const thread = await NonBlockingClient.connect(url, WAITING);
    const blocking = await BlockingClient.connect(url);
    const runs: Record<string, [Client, (handler: object) => Promise<void>]> = {
      event_loop: [waiting, handler => waiting.run(handler)],
      thread: [thread, handler => thread.run(handler, { on: 'background-thread' })],
      blocking: [blocking, handler => blocking.run(handler)],
    };
    for (const [way, [client, run]] of Object.entries(runs)) {
      let quits = 0;
      const handler = { onQuit: () => quits++ };
      await withoutDescriptors(async () => {
        const error = await run(handler).catch(error => error);
        assert.ok(error instanceof S9WebSocketError, `${way}: ${error}`);
        assert.equal(error.code, 'ERR_S9_IO');
      });
      assert.equal(quits, 1, way);
      await assert.rejects(run(handler), closed);
      assert.equal(client.poll(handler), false);
      assert.throws(() => client.sendTextMessage('late'), closed);
      assert.throws(() => client.socket, taken);
      assert.equal(quits, 1, way);
    }
    // Nothing is left behind that another run would miss.
    await ask(await NonBlockingClient.connect(url, WAITING), 3);
  },
  async two_clients_spin_on_one_event_loop() {
    const clients = [await NonBlockingClient.connect(url), await NonBlockingClient.connect(url)];
    await Promise.all(clients.map(client => ask(client, 100)));
  },
  async a_client_is_used_from_promises_while_it_spins() {
    await ask(await NonBlockingClient.connect(url), 500);
  },
  /** Half of them refused, all kinds. */
  async five_hundred_connects_at_once() {
    const kinds = [NonBlockingClient, BlockingClient, AsyncClient];
    const connects = Array.from({ length: 500 }, (_, number) =>
      kinds[number % kinds.length]!.connect(number % 2 === 0 ? url : refusing),
    );
    for (const [number, outcome] of (await Promise.allSettled(connects)).entries()) {
      if (number % 2 === 0) {
        assert.equal(outcome.status, 'fulfilled');
        outcome.value[Symbol.dispose]();
      } else {
        assert.equal(outcome.status, 'rejected');
        assert.equal(outcome.reason.code, 'ERR_S9_IO');
        assert.equal(outcome.reason.cause.code, 'ECONNREFUSED');
      }
    }
  },
};

const work = CASES[name];
assert.ok(work, `there is no case ${name}`);
await work();
