// One client whose events two workers receive. Prints, for each, the numbers it got. Arguments: the
// URL of a peer that numbers its messages, and how each of the workers receives.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { S9AsyncNonBlockingWebSocketClient } from 's9-websocket';

const [url = '', ...ways] = process.argv.slice(2);
const script = new URL('worker-at-channel.mjs', import.meta.url);

const client = await S9AsyncNonBlockingWebSocketClient.connect(url, { eventCapacity: 256 });
const workerData = { events: client.eventRx.handle, control: client.controlTx.handle };
const workers = ways.map(how => new Worker(script, { workerData: { ...workerData, how } }));
await Promise.all(workers.map(worker => once(worker, 'message')));

client.run();
for (const worker of workers) worker.postMessage('start');
for (const [numbers] of await Promise.all(workers.map(worker => once(worker, 'message')))) {
  console.log(JSON.stringify(numbers));
}
