// Sends on a connection that has ended when nobody could know it yet: they throw nothing, and the end is told.

import test from 'ava';

import { closeFrame, frame, Opcode } from './frames.mjs';
import { ACCEPT, type Step } from './script.mjs';
import { ScriptedServer } from './scripted-server.mjs';
import { CALLBACK_WAYS, type CallbackClient } from './ways.mjs';

let server: ScriptedServer;
test.before(async () => {
  server = await ScriptedServer.start();
});
test.after.always(() => server.stop());

interface UnseenEnd {
  /** What the server does while the handler is busy. */
  steps: readonly Step[];
  /** The callbacks that may tell of it. */
  told: RegExp;
}

const ENDS: Record<string, UnseenEnd> = {
  a_close: {
    steps: [{ send: closeFrame(4002, 'bye') }, { awaits: Opcode.Close }, { end: 'fin' }],
    told: /^closed 4002$/,
  },
  a_violation: { steps: [{ send: frame(3) }], told: /^error ERR_S9_PROTOCOL$/ },
  an_end_without_a_close: { steps: [{ end: 'fin' }], told: /^error ERR_S9_CONNECTION_CLOSED$/ },
  // A write that comes before the read takes the kernel's word for it; then the read finds the end.
  a_reset: { steps: [{ end: 'reset' }], told: /^error ERR_S9_(IO|CONNECTION_CLOSED)$/ },
};

const SENDS: ((client: CallbackClient) => void)[] = [
  client => client.sendTextMessage('text'),
  client => client.sendBinaryMessage(Buffer.from('data'), { compress: false }),
  client => client.sendPing(),
  client => client.sendPong(),
];

/** Sends for as long as it takes any thread to read an end. The test holds however long that is. */
function sendForLong(client: CallbackClient) {
  const asleep = new Int32Array(new SharedArrayBuffer(4));
  for (let turn = 0; turn < 100; turn++) {
    SENDS[turn % SENDS.length]?.(client);
    Atomics.wait(asleep, 0, 0, 2);
  }
  client.cork(() => client.sendTextMessage('corked'));
}

function codeOf(send: () => void): unknown {
  try {
    send();
    return undefined;
  } catch (thrown) {
    return (thrown as { code?: unknown }).code;
  }
}

for (const tls of [false, true]) {
  const over = tls ? 'over_tls' : 'plain';
  for (const [name, way] of Object.entries(CALLBACK_WAYS)) {
    for (const [what, { steps, told }] of Object.entries(ENDS)) {
      test.serial(`${name}_${over}_does_not_throw_for_${what}_not_told_yet`, async t => {
        const hello = { send: frame(Opcode.Text, 'hello') };
        const scene = await server.play([ACCEPT, hello, { awaits: 'goOn' }, ...steps], tls);
        const client = await way.connect(scene.url, scene.options);
        const calls: string[] = [];
        const afterwards: unknown[] = [];
        const end = (client: CallbackClient, told: string) => {
          calls.push(told);
          afterwards.push(...SENDS.map(send => codeOf(() => send(client))));
        };
        await way.run(client, {
          onTextMessage(client, text) {
            calls.push(text);
            scene.goOn();
            sendForLong(client);
          },
          onConnectionClosed: (client, _reason, code) => end(client, `closed ${code}`),
          onError: (client, error) => end(client, `error ${error.code}`),
          onQuit: () => void calls.push('quit'),
        });
        t.deepEqual([calls.length, calls[0], calls[2]], [3, 'hello', 'quit']);
        t.regex(calls[1] ?? '', told);
        t.deepEqual(new Set(afterwards), new Set(['ERR_S9_CONNECTION_CLOSED']));
      });
    }

    test.serial(
      `${name}_${over}_does_not_throw_while_the_peers_close_waits_for_its_end`,
      async t => {
        const scene = await server.play([ACCEPT, { send: closeFrame(4002) }], tls);
        const client = await way.connect(scene.url, { ...scene.options, closeTimeout: 200 });
        const calls: string[] = [];
        let sends = 0;
        const send = (client: CallbackClient) => {
          if (sends++ < 1_000) client.sendTextMessage('still there?');
        };
        await way.run(client, {
          onPoll: send,
          onIdle: send,
          onConnectionClosed: (_client, _reason, code) => void calls.push(`closed ${code}`),
          onError: (_client, error) => void calls.push(`error ${error.code}`),
          onQuit: () => void calls.push('quit'),
        });
        t.deepEqual(calls, ['closed 4002', 'quit']);
        t.true(sends > 0);
      },
    );

    test.serial(`${name}_${over}_throws_after_a_close_of_its_own`, async t => {
      const scene = await server.play([ACCEPT, { awaits: Opcode.Close }, { end: 'fin' }], tls);
      const client = await way.connect(scene.url, scene.options);
      const codes: unknown[] = [];
      await way.run(client, {
        onActivated(client) {
          client.close();
          codes.push(...SENDS.map(send => codeOf(() => send(client))));
        },
      });
      t.deepEqual(
        codes,
        SENDS.map(() => 'ERR_S9_CONNECTION_CLOSED'),
      );
    });
  }
}
