// One connection that feeds two workers: each event goes to the one that is free to take it, and both
// answer over the same connection. The main thread only starts and ends it all.
//
//   node two-workers/main.mjs URL SYMBOL UPDATES

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { ControlMessage, S9AsyncNonBlockingWebSocketClient } from 's9-websocket';

import type { Channels, Progress } from './consumer.mjs';

const [url, symbol, wanted] = process.argv.slice(2);
if (!url || !symbol || !wanted) throw new Error('usage: main.mjs URL SYMBOL UPDATES');

const client = await S9AsyncNonBlockingWebSocketClient.connect(url, {
  nodelay: true,
  spinWaitDuration: 10,
});
// Handles are read before the thread starts, so that nothing is taken ahead of the workers.
const channels: Channels = { events: client.eventRx.handle, control: client.controlTx.handle };
const consumers = ['first', 'second'].map(
  name => new Worker(new URL('consumer.mjs', import.meta.url), { workerData: channels, name }),
);

const seen: Record<Progress, number> = { update: 0, accepted: 0 };
let isClosing = false;
for (const consumer of consumers) {
  consumer.on('message', (progress: Progress) => {
    seen[progress]++;
    if (seen.update < Number(wanted) || isClosing) return;
    isClosing = true;
    client.controlTx.send(ControlMessage.close());
  });
}
await Promise.all(consumers.map(consumer => once(consumer, 'online')));
const thread = client.run();
client.controlTx.send(ControlMessage.sendText(JSON.stringify({ op: 'subscribe', symbol })));

await Promise.all(consumers.map(consumer => once(consumer, 'exit')));
await thread.join();
console.log(`${seen.update} updates, ${seen.accepted} orders accepted`);
