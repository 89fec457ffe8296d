// How a connection ends: closed by either side, answered or not, cut off. Quit comes once, whatever.

import test from 'ava';

import { closeFrame, frame, Opcode } from './frames.mjs';
import { ACCEPT, CLOSE_WHEN_ASKED, type Report, type Step } from './script.mjs';
import { ScriptedServer } from './scripted-server.mjs';
import { type Options, observed, type React, told, WAYS } from './ways.mjs';

let server: ScriptedServer;
test.before(async () => {
  server = await ScriptedServer.start();
});
test.after.always(() => server.stop());

interface Ending {
  steps: readonly Step[];
  options?: Options;
  react?: React;
  /** What the client tells after `activated` and before `quit`. */
  told: string[];
  /** The Close payloads that the server sees. */
  closes: Buffer[];
  end?: Report['end'];
}

const hello: Step = { send: frame(Opcode.Text, 'hello') };
const closesOnHello: React = (event, speaker) => {
  if (event.type === 'textMessage') speaker.close(4001, 'enough');
};
const ENOUGH = closeFrame(4001, 'enough').subarray(2);
const NO_ANSWER = { closeTimeout: 200 };

const ENDINGS: Record<string, Ending> = {
  a_close_of_the_peer_is_answered_once: {
    steps: [{ send: closeFrame(4002, 'bye') }, { awaits: Opcode.Close }, { end: 'fin' }],
    told: ['closed 4002 bye'],
    closes: [closeFrame(4002, 'bye').subarray(2)],
  },
  a_close_without_a_code_is_1005: {
    steps: [{ send: frame(Opcode.Close) }, { awaits: Opcode.Close }, { end: 'fin' }],
    told: ['closed 1005 null'],
    closes: [Buffer.alloc(0)],
  },
  a_peer_that_closes_and_stays_is_left: {
    steps: [{ send: closeFrame(4002, 'bye') }],
    options: NO_ANSWER,
    told: ['closed 4002 bye'],
    closes: [closeFrame(4002, 'bye').subarray(2)],
  },
  a_close_of_ours_is_answered: {
    steps: [hello, ...CLOSE_WHEN_ASKED],
    react: closesOnHello,
    told: ['text hello', 'closed 1000 null'],
    closes: [ENOUGH],
  },
  a_close_of_ours_never_answered_is_1006: {
    steps: [hello],
    options: NO_ANSWER,
    react: closesOnHello,
    told: ['text hello', 'closed 1006 null'],
    closes: [ENOUGH],
  },
  messages_come_until_the_peer_answers_a_close: {
    steps: [
      hello,
      { awaits: Opcode.Close },
      { send: frame(Opcode.Binary, 'late') },
      { send: Buffer.concat([closeFrame(1001), frame(Opcode.Text, 'after the end')]) },
      { end: 'fin' },
    ],
    react: closesOnHello,
    told: ['text hello', 'binaryMessage late', 'closed 1001 null'],
    closes: [ENOUGH],
  },
  a_stream_cut_off_while_closing_is_1006: {
    steps: [hello, { awaits: Opcode.Close }, { end: 'truncate' }],
    react: closesOnHello,
    told: ['text hello', 'closed 1006 null'],
    closes: [ENOUGH],
  },
  a_reset_while_closing_is_1006: {
    steps: [hello, { awaits: Opcode.Close }, { end: 'reset' }],
    react: closesOnHello,
    told: ['text hello', 'closed 1006 null'],
    closes: [ENOUGH],
  },
  an_end_without_a_close_is_an_error: {
    steps: [hello, { end: 'fin' }],
    told: ['text hello', 'error ERR_S9_CONNECTION_CLOSED'],
    closes: [],
  },
  an_end_within_a_message_is_an_error: {
    steps: [hello, { send: frame(Opcode.Text, 'half', { announced: 8n }) }, { end: 'fin' }],
    told: ['text hello', 'error ERR_S9_CONNECTION_CLOSED'],
    closes: [],
  },
  a_reset_within_a_message_is_an_error: {
    steps: [
      hello,
      { awaits: Opcode.Text },
      { send: frame(Opcode.Text, 'half', { announced: 8n }) },
      { end: 'reset' },
    ],
    react: (event, speaker) => {
      if (event.type === 'textMessage') speaker.text('received');
    },
    told: ['text hello', 'error ERR_S9_IO'],
    closes: [],
  },
  force_quit_sends_no_close: {
    steps: [hello],
    react: (event, speaker) => {
      if (event.type === 'textMessage') speaker.forceQuit();
    },
    told: ['text hello'],
    closes: [],
  },
};

const TWO = frame(Opcode.Text, 'two');
/** A peer's Close and a violation, and what either is answered with. */
const LAST: ReadonlyArray<[Buffer, number]> = [
  [closeFrame(4002), 4002],
  [frame(Opcode.Text, '', { rsv: 4 }), 1002],
];

for (const tls of [false, true]) {
  for (const [name, way] of Object.entries(WAYS)) {
    const title = `${name}_${tls ? 'over_tls' : 'plain'}`;

    for (const [what, ending] of Object.entries(ENDINGS)) {
      test.serial(`${title}_${what}`, async t => {
        const scene = await server.play([ACCEPT, ...ending.steps], tls);
        const options = { ...scene.options, ...ending.options };
        const events = await observed(t, way, scene.url, options, ending.react);
        t.deepEqual(told(events), ['activated', ...ending.told, 'quit']);
        const { frames } = await scene.report();
        const closes = frames.filter(({ opcode }) => opcode === Opcode.Close);
        t.deepEqual(
          closes.map(({ payload }) => payload),
          ending.closes,
        );
      });
    }

    test.serial(`${title}_answers_messages_that_were_read_with_the_peers_end`, async t => {
      for (const [last, code] of LAST) {
        const steps = [{ send: Buffer.concat([frame(Opcode.Text, 'one'), TWO, last]) }];
        const scene = await server.play(
          [ACCEPT, ...steps, { awaits: Opcode.Close }, { end: 'fin' }],
          tls,
        );
        await observed(t, way, scene.url, scene.options, (event, speaker) => {
          if (event.type === 'textMessage') speaker.text(event.data);
        });
        const { frames } = await scene.report();
        t.deepEqual(
          frames.map(({ payload }) => payload),
          [Buffer.from('one'), Buffer.from('two'), closeFrame(code).subarray(2)],
        );
      }
    });

    if (!tls) continue;
    test.serial(`${name}_takes_a_truncated_tls_stream_for_no_end`, async t => {
      const scene = await server.play([ACCEPT, hello, { end: 'truncate' }], tls);
      const events = await observed(t, way, scene.url, scene.options);
      t.deepEqual(told(events), ['activated', 'text hello', 'error ERR_S9_TLS', 'quit']);
    });
  }
}

for (const [name, way] of Object.entries(WAYS)) {
  test.serial(`${name}_names_the_system_error_of_a_reset`, async t => {
    const scene = await server.play([ACCEPT, { awaits: Opcode.Text }, { end: 'reset' }]);
    const events = await observed(t, way, scene.url, {}, (event, speaker) => {
      if (event.type === 'activated') speaker.text('reset me');
    });
    t.like(events[1], {
      type: 'error',
      error: { code: 'ERR_S9_IO', cause: { code: 'ECONNRESET' } },
    });
  });
}

const REASON = 'so long '.repeat(15);

for (const [name, way] of Object.entries(WAYS)) {
  test.serial(
    `${name}_tells_of_a_close_whose_reason_the_memory_of_a_batch_has_no_room_for`,
    async t => {
      // What a batch has for payloads, 64 KiB, but for a few bytes.
      const nearlyAll = frame(Opcode.Binary, Buffer.alloc(65_500));
      const close = closeFrame(4002, REASON);
      const steps: Step[] = [ACCEPT, { send: nearlyAll }, { awaits: Opcode.Text }, { send: close }];
      const scene = await server.play([...steps, { awaits: Opcode.Close }, { end: 'fin' }]);
      const events = await observed(t, way, scene.url, {}, (event, speaker) => {
        if (event.type === 'binaryMessage') speaker.text('received');
      });
      t.deepEqual(told(events.slice(2)), [`closed 4002 ${REASON}`, 'quit']);
    },
  );
}
