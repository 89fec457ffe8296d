// A worker thread that brings a client into a state, says so, and ends there if it is told to.

import { parentPort, workerData } from 'node:worker_threads';

import { STATES } from './states.mjs';

const { state, url, how } = workerData as { state: string; url: string; how?: string };

const ENDS: Record<string, () => void> = {
  // In a worker it ends that alone.
  'worker-exit': () => process.exit(7),
  'worker-throw': () => {
    throw new Error('thrown on purpose');
  },
};

let told = false;
await STATES[state]?.(url, () => {
  if (told) return;
  told = true;
  parentPort?.postMessage('reached');
  ENDS[how ?? '']?.();
});
