// Ends this process, or its worker thread alone, while a client in that worker is in one state.
// Arguments: the state, the peer's URL, and how: `exit`, `throw`, `signal`, which waits for one,
// `worker-exit`, `worker-throw`. Prints when it left, or what became of the worker.

import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

const [state = '', url = '', how = ''] = process.argv.slice(2);
const now = () => performance.timeOrigin + performance.now();
const say = (line: unknown) => writeSync(1, `${line}\n`);

const script = new URL('worker-in-state.mjs', import.meta.url);
const worker = new Worker(script, { workerData: { state, url, how } });
// What it throws may come in one go with its message.
worker.on('error', error => say(error.message));
const ended = new Promise(resolve => worker.once('exit', resolve));
await new Promise(resolve => worker.once('message', resolve));

if (how.startsWith('worker')) say(await ended);
else {
  // Some way into the state.
  await delay(Math.random() * 20);
  say(how === 'signal' ? 'reached' : now());
  if (how === 'exit') process.exit(7);
  if (how === 'throw') throw new Error('thrown on purpose');
}
