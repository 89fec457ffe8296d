// Runs a client in a process that listens for SIGINT; a peer's 'end' ends the run. Prints what
// happens, in order. Arguments: the way to run, the peer's URL.

import { writeSync } from 'node:fs';

import { WAYS_TO_RUN, type WayToRun } from './ways-to-run.mjs';

const [way, url = ''] = process.argv.slice(2);
const say = (line: string) => writeSync(1, `${line}\n`);

const listened = new Promise<void>(resolve => {
  process.on('SIGINT', () => {
    say('listener');
    resolve();
  });
});
// Signal listeners do not keep a process alive.
const alive = setInterval(() => {}, 1_000);
await WAYS_TO_RUN[way as WayToRun](url, {
  activated: () => say('ready'),
  text(client, text) {
    if (text === 'end') client.close();
  },
});
say('returned');
await listened;
clearInterval(alive);
