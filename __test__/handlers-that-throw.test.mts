// A handler that throws ends the loop; the very value comes out, `onQuit` came once.

import test from 'ava';
import { S9BlockingWebSocketClient, S9NonBlockingWebSocketClient } from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

const RUNS = {
  non_blocking_run: async (url: string, handler: object) => {
    await (await S9NonBlockingWebSocketClient.connect(url)).run(handler);
  },
  non_blocking_run_sync: async (url: string, handler: object) => {
    (await S9NonBlockingWebSocketClient.connect(url)).runSync(handler);
  },
  non_blocking_poll: async (url: string, handler: object) => {
    const client = await S9NonBlockingWebSocketClient.connect(url);
    while (client.poll(handler)) await new Promise(setImmediate);
  },
  non_blocking_thread: async (url: string, handler: object) => {
    const client = await S9NonBlockingWebSocketClient.connect(url);
    await client.run(handler, { on: 'background-thread' });
  },
  blocking_run: async (url: string, handler: object) => {
    await (await S9BlockingWebSocketClient.connect(url)).run(handler);
  },
  blocking_run_sync: async (url: string, handler: object) => {
    (await S9BlockingWebSocketClient.connect(url)).runSync(handler);
  },
};

for (const [name, run] of Object.entries(RUNS)) {
  for (const thrown of [new Error('mine'), 'text', 0, null, undefined, Symbol('mine')]) {
    test.serial(`${name}_lets_${String(thrown)}_through`, async t => {
      const server = await EchoServer.start();
      let quits = 0;
      let caught: { value: unknown } | undefined;
      try {
        await run(server.url, {
          onActivated: (client: { sendTextMessage(text: string): void }) =>
            client.sendTextMessage('go'),
          onTextMessage() {
            throw thrown;
          },
          onQuit: () => void quits++,
        });
      } catch (value) {
        caught = { value };
      }
      await server.close();
      t.truthy(caught);
      t.is(caught?.value, thrown);
      t.is(quits, 1);
    });
  }
}

for (const [name, run] of Object.entries(RUNS)) {
  test.serial(`${name}_ends_where_a_callback_cannot_be_read`, async t => {
    const server = await EchoServer.start();
    t.teardown(() => server.close());
    const mine = new Error('mine');
    let quits = 0;
    let isRunning = false;
    const running = run(server.url, {
      onActivated(client: { sendTextMessage(text: string): void }) {
        isRunning = true;
        client.sendTextMessage('go');
      },
      get onPoll() {
        if (isRunning) throw mine;
        return () => {};
      },
      onQuit: () => void quits++,
    });
    t.is(await t.throwsAsync(running), mine);
    t.is(quits, 1);
  });
}
