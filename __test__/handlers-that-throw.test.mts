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
