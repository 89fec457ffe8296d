// `npm run demo`: every client, in every way to run it, beside `ws`, on a real server over ws:// and
// wss://. Round trips of 64-byte text messages, each checked to be the one that was sent.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

import { measurement, printHistogram, printTable } from './report.mjs';
import { WAYS } from './ways.mjs';

const MILLISECONDS = 700;
/** Long enough for the optimising compiler; not counted. */
const WARM_UP = 150;

const server = fork(fileURLToPath(new URL('./server.mjs', import.meta.url)));
const died = once(server, 'exit').then(([code]) => {
  throw new Error(`the echo server ended with code ${code}`);
});
const [urls] = await Promise.race([once(server, 'message'), died]);

if (availableParallelism() < 2) {
  console.log(
    'One processor: client and server take turns on it, so expect far longer round trips.',
  );
}

try {
  for (const [index, scheme] of ['ws', 'wss'].entries()) {
    const url = urls[scheme];
    const options = scheme === 'wss' ? { tls: { ca: urls.ca } } : {};
    console.log(`\n${scheme}:// round trips of 64-byte text messages, µs`);
    const measurements = [];
    for (const [step, [client, way, exchange]] of WAYS.entries()) {
      progress(index * WAYS.length + step, `${scheme} ${client} ${way}`);
      await exchange({ url, options, milliseconds: WARM_UP });
      const times = await exchange({ url, options, milliseconds: MILLISECONDS });
      measurements.push(measurement(scheme, client, way, times));
    }
    progress((index + 1) * WAYS.length, '');
    printTable(measurements);
    printHistogram(measurements);
  }
} finally {
  died.catch(() => {});
  server.disconnect();
}

/** Shows how far it is: one line that is written over on a terminal. */
function progress(done, what) {
  const total = 2 * WAYS.length;
  const line = `[${'█'.repeat(done)}${'·'.repeat(total - done)}] ${what}`;
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[2K${what === '' ? '' : line}`);
  else if (what !== '') console.log(line);
}
