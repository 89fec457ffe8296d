// Several clients on one event loop, among timers and promises.

import test from 'ava';
import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9BlockingWebSocketClient as BlockingClient,
  S9NonBlockingWebSocketClient as NonBlockingClient,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

const MESSAGES = 300;

interface Turns {
  sendTextMessage(text: string): void;
  close(): void;
}

/** Sends the next number once the last has come back; logs whose it was. */
function pingPong(name: number, log: number[]) {
  let next = 0;
  return {
    onActivated: (client: Turns) => client.sendTextMessage('0'),
    onTextMessage(client: Turns, text: string) {
      if (text !== String(next)) throw new Error(`${text} came for ${next}`);
      log.push(name);
      if (++next === MESSAGES) client.close();
      else client.sendTextMessage(String(next));
    },
  };
}

for (const count of [2, 10]) {
  for (const spinWaitDuration of [null, 60_000]) {
    const how = spinWaitDuration === null ? 'spinning' : 'waiting';
    test.serial(`${count}_${how}_clients_share_an_event_loop`, async t => {
      const echo = await EchoServer.start();
      t.teardown(() => echo.close());
      const clients = await Promise.all(
        Array.from({ length: count }, () =>
          NonBlockingClient.connect(echo.url, { spinWaitDuration }),
        ),
      );
      const log: number[] = [];
      let timers = 0;
      const timer = setInterval(() => timers++, 1);
      await Promise.all(clients.map((client, name) => client.run(pingPong(name, log))));
      clearInterval(timer);
      for (let name = 0; name < count; name++) {
        t.is(log.filter(entry => entry === name).length, MESSAGES);
      }
      // Side by side, not one after the other.
      const firstDone = log.lastIndexOf(log.find(name => log.lastIndexOf(name) < log.length - 1)!);
      t.is(new Set(log.slice(0, firstDone + 1)).size, count);
      t.true(timers > 0);
    });
  }
}

test.serial('all_kinds_share_an_event_loop', async t => {
  const echo = await EchoServer.start();
  t.teardown(() => echo.close());
  const log: number[] = [];
  const spinning = await NonBlockingClient.connect(echo.url);
  const waiting = await NonBlockingClient.connect(echo.url, { spinWaitDuration: 60_000 });
  const thread = await NonBlockingClient.connect(echo.url, { spinWaitDuration: 60_000 });
  const blocking = await BlockingClient.connect(echo.url);
  const channels = await AsyncClient.connect(echo.url, { spinWaitDuration: 60_000 });
  const received = async () => {
    const joined = channels.run();
    const reactions = pingPong(4, log);
    const facing: Turns = {
      sendTextMessage: text => channels.controlTx.send({ type: 'sendText', text }),
      close: () => channels.controlTx.send({ type: 'close' }),
    };
    for await (const event of channels.eventRx) {
      if (event.type === 'activated') reactions.onActivated(facing);
      if (event.type === 'textMessage') reactions.onTextMessage(facing, event.data);
    }
    await joined.join();
  };
  await Promise.all([
    spinning.run(pingPong(0, log)),
    waiting.run(pingPong(1, log)),
    thread.run(pingPong(2, log), { on: 'background-thread' }),
    blocking.run(pingPong(3, log)),
    received(),
  ]);
  for (let name = 0; name < 5; name++) {
    t.is(log.filter(entry => entry === name).length, MESSAGES);
  }
});

const RUNS: Record<
  string,
  (
    url: string,
  ) => Promise<readonly [NonBlockingClient | BlockingClient, (handler: object) => Promise<void>]>
> = {
  async spinning(url) {
    const client = await NonBlockingClient.connect(url);
    return [client, handler => client.run(handler)];
  },
  async waiting(url) {
    const client = await NonBlockingClient.connect(url, { spinWaitDuration: 60_000 });
    return [client, handler => client.run(handler)];
  },
  async on_a_thread(url) {
    const client = await NonBlockingClient.connect(url, { spinWaitDuration: 60_000 });
    return [client, handler => client.run(handler, { on: 'background-thread' })];
  },
  async blocking(url) {
    const client = await BlockingClient.connect(url);
    return [client, handler => client.run(handler)];
  },
};

for (const [name, start] of Object.entries(RUNS)) {
  test.serial(`a_client_that_runs_${name}_is_used_from_promises_and_timers`, async t => {
    const echo = await EchoServer.start();
    t.teardown(() => echo.close());
    const [client, run] = await start(echo.url);
    const answers: Array<(text: string) => void> = [];
    const running = run({ onTextMessage: (_: unknown, text: string) => answers.shift()?.(text) });
    const ask = (text: string) =>
      new Promise<string>(resolve => {
        answers.push(resolve);
        client.sendTextMessage(text);
      });
    t.is(await ask('at once'), 'at once');
    for (let number = 0; number < 200; number++) t.is(await ask(String(number)), String(number));
    const together = Array.from({ length: 50 }, (_, number) => `together ${number}`);
    t.deepEqual(await Promise.all(together.map(ask)), together);
    t.is(await new Promise(resolve => setTimeout(() => resolve(ask('timer')), 5)), 'timer');
    setTimeout(() => client.close(), 5);
    await running;
    t.throws(() => client.sendTextMessage('late'), { code: 'ERR_S9_CONNECTION_CLOSED' });
  });
}
