// A process that ends, in every way, in every state of a client.

import test, { type ExecutionContext } from 'ava';
import { EchoServer } from 's9-websocket/testing';

import { inParallel, runChild } from './child-process.mjs';
import { ECHOED, ECHOED_OVER_TLS, UNACCEPTED, UNANSWERED, UNREAD } from './children/states.mjs';
import { deafPeer, silentPeer, unacceptingPeer } from './unhelpful-peers.mjs';

const TIMES = 3;
/** What a native crash, an aborted Node or a panic prints. */
const CRASH = /FATAL ERROR|panicked|napi|core dumped|Segmentation/i;

const KINDS = [
  { states: ECHOED, start: () => EchoServer.start() },
  { states: ECHOED_OVER_TLS, start: () => EchoServer.start({ tls: true }) },
  { states: UNANSWERED, start: silentPeer },
  { states: UNACCEPTED, start: unacceptingPeer },
  { states: UNREAD, start: deafPeer },
];

/** These call nobody back and block: what is to end them comes from outside. */
const BLOCKS = /^(async_recv_sync|async_join_sync|connecting_sync|connecting_tcp_sync)$/;
/** No timer comes to its turn in these. */
const HOLDS_THE_THREAD = /sync/;
type Check = (
  t: ExecutionContext,
  end: { code: number | null; signal: string | null; stderr: string },
) => void;

const exits: Check = (t, { code, signal, stderr }) => {
  t.deepEqual({ code, signal, stderr }, { code: 7, signal: null, stderr: '' });
};

const throws: Check = (t, { code, signal, stderr }) => {
  t.deepEqual({ code, signal }, { code: 1, signal: null });
  t.regex(stderr, /Error: thrown on purpose/);
  t.notRegex(stderr, CRASH);
};

const WAYS: Record<string, { applies: (state: string) => boolean; check: Check }> = {
  exit: { applies: state => !BLOCKS.test(state), check: exits },
  'exit-by-timer': { applies: state => !HOLDS_THE_THREAD.test(state), check: exits },
  throw: { applies: state => !BLOCKS.test(state), check: throws },
  'throw-by-timer': { applies: state => !HOLDS_THE_THREAD.test(state), check: throws },
  reject: { applies: state => !HOLDS_THE_THREAD.test(state), check: throws },
};

for (const { states, start } of KINDS) {
  for (const state of Object.keys(states)) {
    const ways = Object.entries(WAYS).filter(([, { applies }]) => applies(state));
    if (ways.length > 0) {
      test.serial(`${state}_lets_the_process_exit_and_fail`, async t => {
        const peer = await start();
        t.teardown(() => peer.close());
        const runs = ways.flatMap(way => Array.from({ length: TIMES }, () => way));
        await inParallel(runs, async ([how, { check }]) => {
          check(t, await runChild('end-in-state', [state, peer.url, how]));
        });
      });
    }

    test.serial(`${state}_lets_signals_end_the_process`, async t => {
      const peer = await start();
      t.teardown(() => peer.close());
      const runs = Array.from({ length: TIMES }, () => ['SIGTERM', 'SIGINT'] as const).flat();
      await inParallel(runs, async wanted => {
        const { code, signal, stderr } = await runChild(
          'end-in-state',
          [state, peer.url, 'signal'],
          { onLine: (_, kill) => kill(wanted) },
        );
        t.deepEqual({ code, signal, stderr }, { code: null, signal: wanted, stderr: '' });
      });
    });
  }
}
