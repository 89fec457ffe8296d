// The worker at the channels of a client of another thread.

import { parentPort, workerData } from 'node:worker_threads';

import { ControlMessage, Receiver, Sender } from 's9-websocket';

const events = Receiver.fromHandle(workerData.events);
const controls = Sender.fromHandle(workerData.controls);
controls.send(ControlMessage.sendText('from a worker'));
const seen = [];
for await (const event of events) {
  seen.push(event.data ? `${event.type} ${event.data}` : event.type);
  if (event.type === 'textMessage') controls.send(ControlMessage.close());
}
parentPort.postMessage(seen);
