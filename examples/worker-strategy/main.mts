// A strategy in a worker thread of its own, and the program around it: sets limits while the strategy
// runs, and is told of its orders. It ends after so many orders.
//
//   node worker-strategy/main.mjs URL SYMBOL HIGHEST-PRICE ORDERS

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

import { Limits } from './limits.mjs';
import type { Order, Strategy } from './strategy.mjs';

const [url, symbol, highestPrice, wanted] = process.argv.slice(2);
if (!url || !symbol || !highestPrice || !wanted) {
  throw new Error('usage: main.mjs URL SYMBOL HIGHEST-PRICE ORDERS');
}

const limits = new Limits();
const strategy: Strategy = { url, symbol, memory: limits.memory };
const worker = new Worker(new URL('strategy.mjs', import.meta.url), { workerData: strategy });

const orders: Order[] = [];
worker.on('message', (order: Order) => {
  orders.push(order);
  console.log(`bought at ${order.price}`);
  if (orders.length === Number(wanted)) limits.stop();
});
worker.on('online', () => {
  // At once, with no message to the worker: it reads this before its next turn.
  limits.highestPrice = Number(highestPrice);
});

const [code] = await once(worker, 'exit');
const reactions = orders.map(({ reaction }) => reaction).sort((a, b) => a - b);
const median = reactions[Math.floor(reactions.length / 2)];
if (median !== undefined) console.log(`median reaction ${(median * 1000).toFixed(0)} µs`);
process.exitCode = code;
