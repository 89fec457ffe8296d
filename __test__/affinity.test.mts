// `cpuAffinity` from JavaScript down to the kernel, which tells where a thread may run.

import { readdirSync, readFileSync } from 'node:fs';

import test from 'ava';
import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

const onLinux = process.platform === 'linux' ? test : test.skip;

/** A line of a thread's status, from /proc. */
function field(status: string, name: string): string {
  return new RegExp(`^${name}:\\s+(.+)$`, 'm').exec(status)?.[1] ?? '';
}

/** The processors that the Rust threads of this process may run on, as in `0-1` or `3`. */
function processorsOfThreads(): string[] {
  return readdirSync('/proc/self/task').flatMap(thread => {
    try {
      const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
      return field(status, 'Name') === 's9-websocket' ? [field(status, 'Cpus_allowed_list')] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

onLinux('cpuAffinity_pins_the_thread_of_every_client_that_has_one', async t => {
  using server = await EchoServer.start();
  const own = field(readFileSync('/proc/self/status', 'utf8'), 'Cpus_allowed_list');
  const processor = Number.parseInt(own, 10);
  const options = { cpuAffinity: processor, spinWaitDuration: 10 };

  for (const Client of [S9NonBlockingWebSocketClient, S9BlockingWebSocketClient]) {
    const client = await Client.connect(server.url, options);
    let pinned: string[] = [];
    await client.run(
      {
        onActivated(client) {
          pinned = processorsOfThreads();
          client.close();
        },
      },
      { on: 'background-thread' },
    );
    t.deepEqual(pinned, [`${processor}`], Client.name);
  }

  const client = await S9AsyncNonBlockingWebSocketClient.connect(server.url, options);
  const thread = client.run();
  t.is((await client.eventRx.recv()).type, 'activated');
  t.deepEqual(processorsOfThreads(), [`${processor}`]);
  client.controlTx.send(ControlMessage.forceQuit());
  await thread.join();
});
