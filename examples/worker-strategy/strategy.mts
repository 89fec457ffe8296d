// The worker: `runSync` owns its thread and spins, so nothing else can delay a message. It reads its
// limits from shared memory and tells the main thread what it did by `postMessage`.

import { parentPort, workerData } from 'node:worker_threads';

import { S9NonBlockingWebSocketClient } from 's9-websocket';

import type { MarketMessage } from '../order-book/order-book.mjs';
import { Limits } from './limits.mjs';

export interface Order {
  id: number;
  price: string;
  /** From the arrival of the update to the order's being handed to the kernel, in milliseconds. */
  reaction: number;
}

/** The order at the exchange. */
interface Accepted {
  type: 'accepted';
  id: number;
}

export interface Strategy {
  url: string;
  symbol: string;
  memory: SharedArrayBuffer;
}

const { url, symbol, memory } = workerData as Strategy;
const limits = new Limits(memory);
const orders = new Map<number, Order>();
let nextId = 1;

const client = S9NonBlockingWebSocketClient.connectSync(url, { nodelay: true });
client.sendTextMessage(JSON.stringify({ op: 'subscribe', symbol }));
client.runSync({
  // Before each turn, whether anything came or not.
  onPoll: client => limits.isStopping && client.close(),
  onTextMessage(client, text) {
    const message = JSON.parse(text) as MarketMessage | Accepted;
    if (message.type === 'accepted') {
      parentPort?.postMessage(orders.get(message.id));
      orders.delete(message.id);
    } else if (
      message.type === 'update' &&
      message.side === 'ask' &&
      Number(message.price) <= limits.highestPrice &&
      !limits.isStopping
    ) {
      const id = nextId++;
      client.sendTextMessage(JSON.stringify({ op: 'order', id, price: message.price }));
      orders.set(id, { id, price: message.price, reaction: performance.now() - client.receivedAt });
    }
  },
  onConnectionClosed(_, reason, code) {
    if (code !== 1000) throw new Error(`closed: ${code} ${reason ?? ''}`.trim());
  },
  onError(_, error) {
    throw error;
  },
});
