// Loads the addon in many worker threads, and never in this one, so that it is unloaded with the last
// of them. Prints how many messages the workers had echoed. Arguments: the URL of an echo server, how
// many workers, how many at once, how many messages a client.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

const [url, workers, atOnce, messages] = process.argv.slice(2);
const script = new URL('worker-three-clients.mjs', import.meta.url);

const used: { rss: number; descriptors: number; threads: number }[] = [];

function note(): void {
  const count = (what: string) =>
    process.platform === 'linux' ? readdirSync(`/proc/self/${what}`).length : 0;
  globalThis.gc?.();
  used.push({ rss: process.memoryUsage.rss(), descriptors: count('fd'), threads: count('task') });
}

let left = Number(workers);
let echoed = 0;

async function runWorkers(): Promise<void> {
  while (left-- > 0) {
    const worker = new Worker(script, { workerData: { url, messages: Number(messages) } });
    const ended = once(worker, 'exit');
    const [count] = await once(worker, 'message');
    echoed += count;
    // Every other one ends by itself.
    if (left % 2 === 0) await worker.terminate();
    await ended;
    note();
  }
}

await Promise.all(Array.from({ length: Number(atOnce) }, runWorkers));
console.log(echoed);
console.log(JSON.stringify(used));
