// A worker thread at a channel of another thread's client: it receives the numbers that come until
// the channel's end, and says which. With `sends`, it sends 'go' first.

import { parentPort, workerData } from 'node:worker_threads';

import { Receiver, S9WebSocketError, Sender, type WebSocketEvent } from 's9-websocket';

interface Task {
  how: 'iterate' | 'recv' | 'recvSync' | 'tryRecv' | 'drain';
  events: bigint;
  control: bigint;
}

const { how, events, control } = workerData as Task;
const receiver = Receiver.fromHandle(events);
const numbers: number[] = [];

function take(event: WebSocketEvent | undefined) {
  if (event?.type === 'textMessage') numbers.push(Number(event.data));
}

const WAYS: Record<Task['how'], () => Promise<unknown> | unknown> = {
  async iterate() {
    for await (const event of receiver) take(event);
  },
  async recv() {
    for (;;) take(await receiver.recv());
  },
  recvSync() {
    for (;;) take(receiver.recvSync());
  },
  async tryRecv() {
    for (;;) {
      const event = receiver.tryRecv();
      if (event) take(event);
      else await new Promise(setImmediate);
    }
  },
  async drain() {
    for (;;) {
      const first = receiver.recvSync();
      for (const event of [first, ...receiver.drain(64)]) take(event);
    }
  },
};

parentPort?.postMessage('ready');
parentPort?.once('message', async () => {
  Sender.fromHandle(control).send({ type: 'sendText', text: 'go' });
  try {
    await WAYS[how]();
  } catch (error) {
    const ended = error instanceof S9WebSocketError && error.code === 'ERR_S9_CHANNEL_DISCONNECTED';
    if (!ended) throw error;
  }
  parentPort?.postMessage(numbers);
  parentPort?.close();
});
