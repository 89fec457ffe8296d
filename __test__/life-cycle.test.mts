// Lives of clients in processes of their own, again and again: each process ends by itself, with
// exit code 0 and nothing on stderr.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

import test from 'ava';
import { EchoServer } from 's9-websocket/testing';

import { inParallel, runChild, TIMES } from './child-process.mjs';

for (const name of [
  'clients_are_collected_without_a_close',
  'every_callback_throws',
  'a_closed_client_refuses_everything',
  'a_run_inside_a_run_is_refused',
  'two_clients_spin_on_one_event_loop',
  'a_client_is_used_from_promises_while_it_spins',
  'five_hundred_connects_at_once',
]) {
  test.serial(name, async t => {
    const echo = await EchoServer.start();
    t.teardown(() => echo.close());
    const refusing = createServer().listen(0, '127.0.0.1');
    await once(refusing, 'listening');
    const { port } = refusing.address() as AddressInfo;
    refusing.close();
    await inParallel(Array.from({ length: TIMES }), async () => {
      const args = [name, echo.url, `ws://127.0.0.1:${port}`];
      const end = await runChild('life-cycle', args, { nodeArguments: ['--expose-gc'] });
      t.deepEqual(end, { code: 0, signal: null, lines: [], stderr: '' });
    });
  });
}

// Windows has no shell that limits them.
const limited = process.platform === 'win32' ? test.skip : test.serial;
limited('a_run_that_finds_no_descriptor_ends_its_client', async t => {
  const echo = await EchoServer.start();
  t.teardown(() => echo.close());
  const args = ['a_run_that_finds_no_descriptor_ends_its_client', echo.url];
  const end = await runChild('life-cycle', args, { descriptors: 100 });
  t.deepEqual(end, { code: 0, signal: null, lines: [], stderr: '' });
});
