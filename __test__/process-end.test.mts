// A process that ends, in every way, in every state of a client.

import test, { type ExecutionContext } from 'ava';

import { inParallel, now, runChild, TIMES } from './child-process.mjs';
import { KINDS_OF_STATES } from './peers-of-states.mjs';

/** Far above what it takes to leave: what takes longer waits for something. */
const HANGS = 5_000;
/** Nothing makes an end wait longer; but the machine does now and then, so the quickest is held to it. */
const SOON = 100;
/** What a native crash, an aborted Node or a panic prints. */
const CRASH = /FATAL ERROR|panicked|napi|core dumped|Segmentation/i;

/** These call nobody back and block: what is to end them comes from outside. */
const BLOCKS = /^(async_recv_sync|async_join_sync|connecting(_tcp)?_sync(_without_end)?)$/;
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

function isSoon(t: ExecutionContext, took: readonly number[]): void {
  const most = Math.max(...took);
  t.log(`at most ${most.toFixed(0)} ms`);
  t.true(most < HANGS, `it took ${most} ms to end`);
  t.true(Math.min(...took) < SOON, `it took ${took.join(', ')} ms to end`);
}

for (const { states, start } of KINDS_OF_STATES) {
  for (const state of Object.keys(states)) {
    const ways = Object.entries(WAYS).filter(([, { applies }]) => applies(state));
    if (ways.length > 0) {
      test.serial(`${state}_lets_the_process_exit_and_fail`, async t => {
        const peer = await start();
        t.teardown(() => peer.close());
        const runs = ways.flatMap(way => Array.from({ length: TIMES }, () => way));
        const took: number[] = [];
        await inParallel(runs, async ([how, { check }]) => {
          let ended = 0;
          const onExit = () => {
            ended = now();
          };
          const end = await runChild('end-in-state', [state, peer.url, how], { onExit });
          check(t, end);
          const [left] = end.lines;
          if (left) took.push(ended - Number(left));
        });
        isSoon(t, took);
      });
    }

    test.serial(`${state}_lets_signals_end_the_process`, async t => {
      const peer = await start();
      t.teardown(() => peer.close());
      const took: number[] = [];
      const runs = Array.from({ length: TIMES }, () => ['SIGTERM', 'SIGINT'] as const).flat();
      await inParallel(runs, async wanted => {
        let killed = 0;
        const { code, signal, stderr } = await runChild(
          'end-in-state',
          [state, peer.url, 'signal'],
          {
            onLine(_, kill) {
              killed = now();
              kill(wanted);
            },
            onExit: () => void took.push(now() - killed),
          },
        );
        t.deepEqual({ code, signal, stderr }, { code: null, signal: wanted, stderr: '' });
      });
      isSoon(t, took);
    });
  }
}
