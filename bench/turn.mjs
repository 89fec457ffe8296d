// Polls a connection that brings nothing and prints what a turn takes, in nanoseconds.

import { S9NonBlockingWebSocketClient } from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

import { percentile } from './statistics.mjs';

const TURNS = 1000;

const server = await EchoServer.start();
const client = await S9NonBlockingWebSocketClient.connect(server.url);
const handler = {};
const times = [];
for (let round = 0; round < 500; round++) {
  const start = performance.now();
  for (let turn = 0; turn < TURNS; turn++) client.poll(handler);
  times.push(((performance.now() - start) * 1e6) / TURNS);
}
times.splice(0, 100);
times.sort((a, b) => a - b);
const [p50, p99] = [0.5, 0.99].map(share => percentile(times, share));
process.stdout.write(JSON.stringify({ p50, p99 }), () => process.exit());
