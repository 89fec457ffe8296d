// A process that ends, in every way, while a client in one of its workers is in the midst of something;
// and workers that end by themselves there.

import test, { type ExecutionContext } from 'ava';
import { EchoServer } from 's9-websocket/testing';

import { type ChildEnd, inParallel, now, runChild, TIMES } from './child-process.mjs';
import { endlessPeer, silentPeer, unacceptingPeer } from './unhelpful-peers.mjs';

/** Far above what it takes to leave: what takes longer waits for something. */
const HANGS = 5_000;

const STATES: Record<string, () => Promise<{ url: string; close(): Promise<void> }>> = {
  run_sync_busy: () => EchoServer.start(),
  run_sync_idle: () => EchoServer.start(),
  thread_busy: () => EchoServer.start(),
  tls_run_sync_busy: () => EchoServer.start({ tls: true }),
  tls_thread_busy: () => EchoServer.start({ tls: true }),
  blocking_run_sync_in_a_read: () => EchoServer.start(),
  async_full_channel: () => EchoServer.start(),
  async_recv_sync: () => EchoServer.start(),
  connecting_tcp_sync: unacceptingPeer,
  connecting_tls: silentPeer,
  connecting_sync_without_end: endlessPeer,
};

type Check = (t: ExecutionContext, end: ChildEnd) => void;

const exits: Check = (t, { code, signal, stderr }) => {
  t.deepEqual({ code, signal, stderr }, { code: 7, signal: null, stderr: '' });
};
const throws: Check = (t, { code, signal, stderr }) => {
  t.deepEqual({ code, signal }, { code: 1, signal: null });
  // What Node prints of an uncaught exception, and not a word more.
  t.regex(
    stderr,
    /^file:[^\n]+\n[^\n]+\n +\^\n\nError: thrown on purpose\n( +at [^\n]+\n)+\nNode\.js v[^\n]+\n$/,
  );
};
const signalled =
  (wanted: string): Check =>
  (t, { code, signal, stderr }) => {
    t.deepEqual({ code, signal, stderr }, { code: null, signal: wanted, stderr: '' });
  };

const WAYS: Record<string, Check> = {
  exit: exits,
  throw: throws,
  SIGTERM: signalled('SIGTERM'),
  SIGINT: signalled('SIGINT'),
};

for (const [state, start] of Object.entries(STATES)) {
  test.serial(`a_process_ends_while_a_worker_is_in_${state}`, async t => {
    const peer = await start();
    t.teardown(() => peer.close());
    const took: number[] = [];
    const runs = Object.entries(WAYS).flatMap(way => Array.from({ length: TIMES }, () => way));
    await inParallel(runs, async ([how, check]) => {
      const isSignal = how.startsWith('SIG');
      let [left, ended] = [0, 0];
      const end = await runChild(
        'end-beside-worker',
        [state, peer.url, isSignal ? 'signal' : how],
        {
          onLine(line, kill) {
            left = isSignal ? now() : Number(line);
            if (isSignal) kill(how as NodeJS.Signals);
          },
          onExit() {
            ended = now();
          },
        },
      );
      // The last line may come behind the exit.
      took.push(ended - left);
      check(t, end);
    });
    const most = Math.max(...took);
    t.log(`at most ${most.toFixed(0)} ms`);
    t.true(most < HANGS, `it took ${most} ms to end`);
  });

  // These call nobody back who could.
  if (state.startsWith('connecting') || state === 'async_recv_sync') continue;
  test.serial(`a_worker_ends_by_itself_in_${state}`, async t => {
    const peer = await start();
    t.teardown(() => peer.close());
    const ends = ['worker-exit', 'worker-throw'].flatMap(how =>
      Array.from({ length: TIMES }, () => how),
    );
    await inParallel(ends, async how => {
      const end = await runChild('end-beside-worker', [state, peer.url, how]);
      const lines = how === 'worker-exit' ? ['7'] : ['thrown on purpose', '1'];
      t.deepEqual(end, { code: 0, signal: null, lines, stderr: '' });
    });
  });
}
