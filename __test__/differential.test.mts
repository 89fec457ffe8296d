// Seeded streams of a server, right and wrong ones, come to the same through every way to run a client,
// and to what `ws` makes of them. `npm run differential` tries more, and the core by itself.

import test from 'ava';

import { difference, type Outcome, StreamServer } from './differential.mjs';
import { stream } from './differential-streams.mjs';
import { SEED } from './random.mjs';
import { WAYS } from './ways.mjs';

const STREAMS = 400;

let server: StreamServer;
test.before(async () => {
  server = await StreamServer.start();
});
test.after.always(() => server.stop());

const outcomes: Outcome[] = [];

for (const [index, name] of Object.keys(WAYS).entries()) {
  test.serial(`${name}_makes_the_same_of_every_stream`, async t => {
    for (let number = 0; number < STREAMS; number++) {
      const outcome = await server.through(name, SEED, number);
      if (index === 0) outcomes.push(outcome);
      t.deepEqual(outcome, outcomes[number], `stream ${number} of S9_SEED=${SEED}`);
    }
  });
}

test.serial('ws_agrees_but_for_the_differences_listed', async t => {
  for (const [number, outcome] of outcomes.entries()) {
    const theirs = await server.throughWs(SEED, number);
    t.notThrows(
      () => difference(stream(SEED, number).bytes, outcome, theirs),
      `stream ${number} of S9_SEED=${SEED}`,
    );
  }
});
