// A worker thread that brings a client into a state and says so.

import { parentPort, workerData } from 'node:worker_threads';

import { STATES } from './states.mjs';

const { state, url } = workerData as { state: string; url: string };
let told = false;
await STATES[state]?.(url, () => {
  if (!told) parentPort?.postMessage('reached');
  told = true;
});
