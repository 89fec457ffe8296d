// Records an order book to a file, one JSON object a line, through everything that happens to a feed:
// lost updates, silence, broken connections, a server that is down. Ends well on SIGINT and SIGTERM.
//
//   node recorder.mjs URL SYMBOL FILE

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { S9NonBlockingWebSocketClient, S9WebSocketError } from 's9-websocket';

import { type MarketMessage, OrderBook } from './order-book.mjs';

/** The exchange sends heartbeats far more often. */
const SILENCE = 5000;
const FIRST_DELAY = 100;
const LONGEST_DELAY = 30_000;

const [url, symbol, file] = process.argv.slice(2);
if (!url || !symbol || !file) throw new Error('usage: recorder.mjs URL SYMBOL FILE');

const recording = createWriteStream(file, { flags: 'a' });
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());

let failures = 0;
while (!stopping.signal.aborted) {
  try {
    await record(url, symbol);
  } catch (error) {
    if (stopping.signal.aborted) break;
    if (!(error instanceof S9WebSocketError) || !mayPass(error)) throw error;
    console.log(`${error.code}: ${error.message}`);
  }
  if (stopping.signal.aborted) break;
  // Half of it at random, so that not every client of an exchange comes back at the same moment.
  const wait = Math.min(FIRST_DELAY * 2 ** failures++, LONGEST_DELAY) * (0.5 + Math.random() / 2);
  console.log(`connecting again in ${wait.toFixed(0)} ms`);
  await delay(wait, undefined, { signal: stopping.signal }).catch(() => {});
}
recording.end();
await once(recording, 'close');

/** Connects and records until the connection has ended, however that may be. */
async function record(url: string, symbol: string): Promise<void> {
  const client = await S9NonBlockingWebSocketClient.connect(url, {
    nodelay: true,
    connectTimeout: 5000,
    // How often `onIdle` comes while nothing else does. What arrives ends the wait at once.
    spinWaitDuration: 50,
    signal: stopping.signal,
  });
  const subscribe = () => client.sendTextMessage(JSON.stringify({ op: 'subscribe', symbol }));
  const stop = () => client.close();
  stopping.signal.addEventListener('abort', stop);
  const book = new OrderBook();
  let heardAt = performance.now();
  await client.run({
    onActivated: subscribe,
    onTextMessage(client, text) {
      heardAt = client.receivedAt;
      const message = JSON.parse(text) as MarketMessage;
      const outcome = book.apply(message);
      if (outcome === 'gap') {
        console.log(`gap before ${message.sequence}: subscribing again`);
        // Messages go on coming while the connection is being closed; sending is over then.
        if (!stopping.signal.aborted) subscribe();
      } else if (outcome === 'applied') {
        if (message.type === 'snapshot') {
          console.log(`snapshot ${message.sequence}`);
          failures = 0;
        }
        const at = performance.timeOrigin + client.receivedAt;
        recording.write(`{"at":${at.toFixed(3)},"message":${text}}\n`);
      }
    },
    onIdle(client) {
      if (performance.now() - heardAt < SILENCE) return;
      console.log('nothing was heard for too long');
      client.forceQuit();
    },
    onConnectionClosed: (_, reason, code) => console.log(`closed: ${code} ${reason ?? ''}`.trim()),
    onError(_, error) {
      // It would come again: the limit is too low for this feed.
      if (error.code === 'ERR_S9_MESSAGE_TOO_LARGE') throw error;
      console.log(`${error.code}: ${error.message}`);
    },
  });
  stopping.signal.removeEventListener('abort', stop);
}

/** Whether the same `connect` may succeed later: with a bad URL, certificate or password it will not. */
function mayPass({ code, response }: S9WebSocketError): boolean {
  switch (code) {
    case 'ERR_S9_IO':
    case 'ERR_S9_TIMEOUT':
      return true;
    // Without a response the server ended the connection in place of an answer.
    case 'ERR_S9_HANDSHAKE':
      return response === undefined || response.status === 429 || response.status >= 500;
    default:
      return false;
  }
}
