// A worker: opens the receiving and the sending end of a client of another thread, takes what comes,
// buys where much is offered, and tells what there was.

import { parentPort, threadId, workerData } from 'node:worker_threads';

import { ControlMessage, Receiver, S9WebSocketError, Sender } from 's9-websocket';

import type { MarketMessage } from '../order-book/order-book.mjs';

export interface Channels {
  events: bigint;
  control: bigint;
}

/** What one event brought. */
export type Progress = 'update' | 'accepted';

const MUCH = 9;

const { events, control } = workerData as Channels;
const receiver = Receiver.fromHandle(events);
const sender = Sender.fromHandle(control);

const tell = (progress: Progress) => parentPort?.postMessage(progress);

// Ends with `quit` in the worker that gets it, and in the other because nothing more can come.
for await (const event of receiver) {
  if (event.type !== 'textMessage') continue;
  const message = JSON.parse(event.data) as MarketMessage | { type: 'accepted' };
  if (message.type === 'accepted') tell('accepted');
  if (message.type !== 'update') continue;
  tell('update');
  if (message.side === 'ask' && Number(message.quantity) >= MUCH) buy(message.price);
}

function buy(price: string): void {
  try {
    sender.send(ControlMessage.sendText(JSON.stringify({ op: 'order', id: threadId, price })));
  } catch (error) {
    // Events go on coming while the connection is being closed; sending is over then.
    const isClosing =
      error instanceof S9WebSocketError && error.code === 'ERR_S9_CONNECTION_CLOSED';
    if (!isClosing) throw error;
  }
}
