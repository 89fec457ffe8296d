// What keeps a process alive and what does not, and where signal listeners run.

import test from 'ava';
import { type WebSocket, WebSocketServer } from 'ws';

import { runChild } from './child-process.mjs';
import { WAYS_TO_RUN } from './children/ways-to-run.mjs';

/** How long a peer keeps a client waiting: a process that nothing keeps alive ends before. */
const PAUSE = 200;

async function start(connected: (socket: WebSocket) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  server.on('connection', connected);
  await new Promise(resolve => server.once('listening', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return { server, url: `ws://127.0.0.1:${address.port}` };
}

function answerLate(socket: WebSocket) {
  socket.on('message', data => {
    if (data.toString() === 'hello') setTimeout(() => socket.send('at last'), PAUSE);
  });
}

for (const way of [...Object.keys(WAYS_TO_RUN), 'pending_recv']) {
  test(`${way}_keeps_the_process_alive_until_it_is_over`, async t => {
    const { server, url } = await start(answerLate);
    t.teardown(() => server.close());
    const end = await runChild('end-by-itself', [way, url]);
    t.deepEqual(end, { code: 0, signal: null, lines: ['textMessage'], stderr: '' });
  });
}

for (const how of [
  'unused',
  'unused_sync',
  'unused_async',
  'thread_nobody_waits_for',
  'refused',
  'logger',
]) {
  test(`${how}_does_not_keep_the_process_alive`, async t => {
    const { server, url } = await start(answerLate);
    t.teardown(() => server.close());
    const end = await runChild('end-by-itself', [how, url]);
    t.deepEqual(end, { code: 0, signal: null, lines: [], stderr: '' });
  });
}

for (const way of Object.keys(WAYS_TO_RUN)) {
  const blocks = way.endsWith('sync');
  const title = blocks
    ? `${way}_runs_signal_listeners_after_it_has_returned`
    : `${way}_runs_signal_listeners_meanwhile`;
  test(title, async t => {
    let peer: WebSocket | undefined;
    const { server, url } = await start(socket => {
      peer = socket;
    });
    t.teardown(() => server.close());
    const end = await runChild('listen-for-signal', [way, url], {
      onLine(line, kill) {
        if (line === 'ready') kill('SIGINT');
        // The signal is the kernel's to deliver by now; where listeners run, it is told first.
        if (line === (blocks ? 'ready' : 'listener')) peer?.send('end');
      },
    });
    const order = blocks ? ['returned', 'listener'] : ['listener', 'returned'];
    t.deepEqual(end, { code: 0, signal: null, lines: ['ready', ...order], stderr: '' });
  });
}
