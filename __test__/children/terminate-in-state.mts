// Terminates worker threads in one state of a client, several times, and tells what is left of them:
// one line of JSON. Arguments: the state, the peer's URL, the URL of an echo server.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

import { S9NonBlockingWebSocketClient } from 's9-websocket';

const [state = '', url = '', echoUrl = ''] = process.argv.slice(2);
const script = new URL('worker-in-state.mjs', import.meta.url);

/** Milliseconds from the state to the termination: how far into the state it comes is chance. */
const MOMENTS = [0, 60, 3, 20, 1];

const count = (what: string): number =>
  process.platform === 'linux' ? readdirSync(`/proc/self/${what}`).length : 0;

/** As many as `wanted`, or as few as there are once a deadline has passed. */
async function settled(what: string, wanted: number): Promise<number> {
  const deadline = performance.now() + 5_000;
  // The kernel lists a thread for a moment after it was joined.
  while (count(what) > wanted && performance.now() < deadline) await delay(5);
  return count(what);
}

async function terminateOne(moment: number): Promise<number> {
  const worker = new Worker(script, { workerData: { state, url } });
  await once(worker, 'message');
  if (moment > 0) await delay(moment);
  const begun = performance.now();
  await worker.terminate();
  return performance.now() - begun;
}

async function echoOne(): Promise<string> {
  let echoed = '';
  const client = await S9NonBlockingWebSocketClient.connect(echoUrl, { spinWaitDuration: 1_000 });
  await client.run({
    onActivated: () => client.sendTextMessage('still here'),
    onTextMessage(_, text) {
      echoed = text;
      client.close();
    },
  });
  return echoed;
}

// The first of each makes what stays: pools of threads, an event loop's descriptors.
await echoOne();
await terminateOne(0);
const before = { threads: count('task'), descriptors: count('fd') };
const times: number[] = [];
for (const moment of MOMENTS) times.push(await terminateOne(moment));
const after = {
  threads: await settled('task', before.threads),
  descriptors: await settled('fd', before.descriptors),
};
console.log(JSON.stringify({ times, before, after, echoed: await echoOne() }));
