// Round trips measured through every way to run a client, and through `ws`. Each way sends a numbered
// message, waits for its echo, checks the number, and sends the next until its time is over.

import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
} from 's9-websocket';
import WebSocket from 'ws';

const SIZE = 64;

/** Counts round trips in microseconds; throws if a message is not the one that was sent. */
class Exchange {
  times = [];
  #number = 0;
  #sentAt = 0;
  #until;

  constructor(milliseconds) {
    this.#until = performance.now() + milliseconds;
  }

  next(send) {
    const text = String(++this.#number).padEnd(SIZE);
    this.#sentAt = performance.now();
    send(text);
  }

  /** Takes an echo; true while there is time for another. */
  take(text) {
    const now = performance.now();
    if (Number(text) !== this.#number) {
      throw new Error(`message ${this.#number} came back as ${JSON.stringify(text)}`);
    }
    this.times.push((now - this.#sentAt) * 1000);
    return now < this.#until;
  }
}

function handlerOf(exchange) {
  return {
    onActivated: client => exchange.next(text => client.sendTextMessage(text)),
    onTextMessage(client, text) {
      if (exchange.take(text)) exchange.next(next => client.sendTextMessage(next));
      else client.close();
    },
    onError(_client, error) {
      throw error;
    },
  };
}

function withCallbacks(Client, run) {
  return async ({ url, options, milliseconds }) => {
    const client = await Client.connect(url, options);
    const exchange = new Exchange(milliseconds);
    await run(client, handlerOf(exchange));
    return exchange.times;
  };
}

async function withChannels({ url, options, milliseconds }) {
  const client = await S9AsyncNonBlockingWebSocketClient.connect(url, options);
  const exchange = new Exchange(milliseconds);
  const thread = client.run();
  const send = text => client.controlTx.send(ControlMessage.sendText(text));
  for await (const event of client.eventRx) {
    if (event.type === 'activated') exchange.next(send);
    else if (event.type === 'error') throw event.error;
    else if (event.type === 'textMessage') {
      if (exchange.take(event.data)) exchange.next(send);
      else client.controlTx.send(ControlMessage.close());
    }
  }
  await thread.join();
  return exchange.times;
}

function withWs({ url, options, milliseconds }) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { ca: options.tls?.ca, perMessageDeflate: false });
    const exchange = new Exchange(milliseconds);
    const send = text => socket.send(text);
    socket.on('open', () => exchange.next(send));
    socket.on('message', data => {
      try {
        if (exchange.take(data.toString())) exchange.next(send);
        else socket.close();
      } catch (error) {
        reject(error);
      }
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(exchange.times));
  });
}

/** `ws` comes first: the others are compared with it. */
export const WAYS = [
  ['ws', 'event loop', withWs],
  ['non-blocking', 'runSync', withCallbacks(S9NonBlockingWebSocketClient, (c, h) => c.runSync(h))],
  ['non-blocking', 'run', withCallbacks(S9NonBlockingWebSocketClient, (c, h) => c.run(h))],
  [
    'non-blocking',
    'run, thread',
    withCallbacks(S9NonBlockingWebSocketClient, (c, h) => c.run(h, { on: 'background-thread' })),
  ],
  ['blocking', 'runSync', withCallbacks(S9BlockingWebSocketClient, (c, h) => c.runSync(h))],
  ['blocking', 'run', withCallbacks(S9BlockingWebSocketClient, (c, h) => c.run(h))],
  ['async', 'channels', withChannels],
];
