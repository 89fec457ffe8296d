// A worker with a client of its own, in `runSync`; an endless one is there to be terminated.

import { parentPort, workerData } from 'node:worker_threads';

import { S9NonBlockingWebSocketClient } from 's9-websocket';

const seen = [];
const client = S9NonBlockingWebSocketClient.connectSync(workerData.url);
client.runSync({
  onActivated: client => client.sendTextMessage('hello'),
  onTextMessage: (client, text) => {
    seen.push(text);
    if (workerData.endless) parentPort.postMessage(seen);
    else client.close();
  },
  onConnectionClosed: (_client, _reason, code) => seen.push(`closed ${code}`),
});
parentPort.postMessage(seen);
