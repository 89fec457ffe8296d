// A worker thread with one of each client at once, each of which has messages echoed.

import { parentPort, workerData } from 'node:worker_threads';

import { setLogger } from 's9-websocket';

import { WAYS_TO_RUN } from './ways-to-run.mjs';

const { url, messages } = workerData as { url: string; messages: number };

// Its records have nowhere to go once this thread has ended.
setLogger('debug', () => {});

const echoed = async (way: 'run_waiting' | 'blocking_run' | 'async_channels') => {
  let received = 0;
  await WAYS_TO_RUN[way](url, {
    activated(client) {
      for (let number = 0; number < messages; number++) client.send(String(number));
    },
    text(client, text) {
      if (Number(text) !== received++) throw new Error(`${text} came as number ${received}`);
      if (received === messages) client.close();
    },
  });
  return received;
};

const counts = await Promise.all([
  echoed('run_waiting'),
  echoed('blocking_run'),
  echoed('async_channels'),
]);
parentPort?.postMessage(counts.reduce((sum, count) => sum + count));
