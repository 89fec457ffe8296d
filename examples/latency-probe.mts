// Measures the round trip to any WebSocket server with pings, and prints percentiles.
//
//   node latency-probe.mjs URL [PINGS]

import { S9NonBlockingWebSocketClient } from 's9-websocket';

const WARM_UP = 100;
const INTERVAL = 1;

const [url, pings = '1000'] = process.argv.slice(2);
if (!url) throw new Error('usage: latency-probe.mjs URL [PINGS]');
const wanted = WARM_UP + Number(pings);

const client = await S9NonBlockingWebSocketClient.connect(url, { nodelay: true });
const trips: number[] = [];
let sentAt = 0;
let next: NodeJS.Timeout | undefined;

function ping(): void {
  sentAt = performance.now();
  client.sendPing();
}

// Spins: one core is busy until the last pong.
await client.run({
  onActivated: ping,
  onPong(client) {
    trips.push(client.receivedAt - sentAt);
    if (trips.length < wanted) next = setTimeout(ping, INTERVAL);
    else client.close();
  },
  onConnectionClosed(_, reason, code) {
    if (trips.length === wanted) return;
    console.error(`closed after ${trips.length} pongs: ${code} ${reason ?? ''}`.trim());
    process.exitCode = 1;
  },
  onError(_, error) {
    console.error(error.message);
    process.exitCode = 1;
  },
  onQuit: () => clearTimeout(next),
});

const measured = trips.slice(WARM_UP).sort((a, b) => a - b);
for (const [name, share] of [
  ['p50', 0.5],
  ['p90', 0.9],
  ['p99', 0.99],
  ['max', 1],
] as const) {
  const trip = measured[Math.min(measured.length - 1, Math.floor(measured.length * share))];
  if (trip !== undefined) console.log(`${name} ${(trip * 1000).toFixed(1).padStart(9)} µs`);
}
