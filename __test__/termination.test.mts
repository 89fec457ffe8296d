// Worker threads that are terminated in every state of a client.

import test, { type ExecutionContext } from 'ava';
import { EchoServer } from 's9-websocket/testing';

import { runChild } from './child-process.mjs';
import { KINDS_OF_STATES } from './peers-of-states.mjs';

/** Far above what it takes: what takes longer hangs. */
const HANGS = 5_000;
/** Nothing makes an end wait longer; but the machine does now and then, so the quickest is held to it. */
const SOON = 100;

interface Report {
  times: number[];
  before: { threads: number; descriptors: number };
  after: { threads: number; descriptors: number };
  echoed: string;
}

async function terminates(t: ExecutionContext, state: string, url: string) {
  const echo = await EchoServer.start();
  t.teardown(() => echo.close());
  const deadline = 20_000;
  const end = await runChild('terminate-in-state', [state, url, echo.url], { deadline });
  t.is(end.stderr, '');
  t.is(end.signal, null, 'the process hung or crashed');
  t.is(end.code, 0);
  const { times, before, after, echoed }: Report = JSON.parse(end.lines.join(''));
  t.log(`terminate(): ${times.map(time => time.toFixed(1)).join(', ')} ms`);
  t.true(Math.max(...times) < HANGS, `terminate() took ${times} ms`);
  t.true(Math.min(...times) < SOON, `terminate() took ${times} ms`);
  t.true(after.threads <= before.threads, `${before.threads} threads became ${after.threads}`);
  t.true(
    after.descriptors <= before.descriptors,
    `${before.descriptors} descriptors became ${after.descriptors}`,
  );
  t.is(echoed, 'still here');
}

for (const { states, start } of KINDS_OF_STATES) {
  for (const state of Object.keys(states)) {
    const title = `${state}_ends_when_its_worker_is_terminated`;
    test.serial(title, async t => {
      const peer = await start();
      t.teardown(() => peer.close());
      await terminates(t, state, peer.url);
    });
  }
}
