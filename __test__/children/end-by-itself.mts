// A process that is to end by itself. Arguments: how it comes to that, the URL of a peer that sends
// a message to those who say hello.

import {
  S9AsyncNonBlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  setLogger,
} from 's9-websocket';

import { WAYS_TO_RUN, type WayToRun } from './ways-to-run.mjs';

const [how = '', url = ''] = process.argv.slice(2);

const CASES: Record<string, () => Promise<unknown>> = {
  unused: () => S9NonBlockingWebSocketClient.connect(url),
  unused_sync: async () => S9NonBlockingWebSocketClient.connectSync(url),
  unused_async: () => S9AsyncNonBlockingWebSocketClient.connect(url),
  thread_nobody_waits_for: async () => {
    const client = await S9AsyncNonBlockingWebSocketClient.connect(url);
    client.run();
    client.controlTx.send({ type: 'sendText', text: 'nobody waits for the answer' });
  },
  refused: async () => {
    await S9NonBlockingWebSocketClient.connect('ws://127.0.0.1:1').catch(() => {});
  },
  logger: async () => {
    setLogger('trace', () => {});
    await WAYS_TO_RUN.run(url, { activated: client => client.close() });
  },
  pending_recv: async () => {
    const client = await S9AsyncNonBlockingWebSocketClient.connect(url);
    client.run();
    client.controlTx.send({ type: 'sendText', text: 'hello' });
    await client.eventRx.recv();
    const answer = await client.eventRx.recv();
    console.log(answer.type);
  },
};

const run = CASES[how];
if (run) await run();
else {
  await WAYS_TO_RUN[how as WayToRun](url, {
    activated: client => client.send('hello'),
    text(client) {
      console.log('textMessage');
      client.close();
    },
  });
}
