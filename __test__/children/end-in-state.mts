// Ends this process in one state of a client. Arguments: the state, the peer's URL, and how:
// `exit`, `exit-by-timer`, `throw`, `throw-by-timer`, `reject`, or `signal`, which waits for one.

import { writeSync } from 'node:fs';

import { STATES } from './states.mjs';

const [state = '', url = '', how = ''] = process.argv.slice(2);

const WAYS: Record<string, () => void> = {
  exit: leave,
  'exit-by-timer': () => void setTimeout(leave, 5),
  throw: () => {
    tell();
    throw new Error('thrown on purpose');
  },
  'throw-by-timer': () =>
    void setTimeout(() => {
      tell();
      throw new Error('thrown on purpose');
    }, 5),
  reject: () => void Promise.reject(new Error('thrown on purpose')),
  // Not console.log: that may not have written before the state blocks.
  signal: () => writeSync(1, 'reached\n'),
};

/** Tells when, so that it can be seen how long leaving takes. */
function tell(): void {
  writeSync(1, `${performance.timeOrigin + performance.now()}\n`);
}

function leave(): never {
  tell();
  process.exit(7);
}

let done = false;
await STATES[state]?.(url, () => {
  if (!done) {
    done = true;
    WAYS[how]?.();
  }
});
