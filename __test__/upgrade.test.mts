// Servers that refuse the upgrade, answer it wrongly, or in an unusual way that is right.

import test, { type ExecutionContext } from 'ava';
import { S9WebSocketError } from 's9-websocket';

import { frame, Opcode } from './frames.mjs';
import { ACCEPT, accepting, CLOSE_WHEN_ASKED, type Step } from './script.mjs';
import { ScriptedServer } from './scripted-server.mjs';
import { type Options, observed, told, WAYS, type Way } from './ways.mjs';

let server: ScriptedServer;
test.before(async () => {
  server = await ScriptedServer.start();
});
test.after.always(() => server.stop());

/** How connecting fails; the server is to see an upgrade request and nothing after it. */
async function failure(
  t: ExecutionContext,
  way: Way,
  steps: readonly Step[],
  tls: boolean,
  options: Options = {},
): Promise<S9WebSocketError> {
  const scene = await server.play(steps, tls);
  const running = way.run(scene.url, { ...scene.options, ...options }, event =>
    t.fail(`${event.type} came`),
  );
  const error = await t.throwsAsync(running, { instanceOf: S9WebSocketError });
  const { request, frames } = await scene.report();
  t.regex(request, /^GET \/\d+ HTTP\/1\.1\r\n(.*\r\n)*Upgrade: websocket\r\n/);
  t.deepEqual(frames, []);
  return error;
}

const BODY = 'no, '.repeat(30_000);

/** What a server says, and why that is not taken for an upgrade. */
const WRONG_ANSWERS: Record<string, [Step, RegExp]> = {
  something_other_than_http: [{ send: 'SSH-2.0-OpenSSH_9.6\r\n' }, /not HTTP/],
  endless_headers: [{ send: 'HTTP/1.1 101 Switching Protocols\r\n' }, /65536 bytes of headers/],
  an_endless_header: [
    { send: 'HTTP/1.1 101 Switching Protocols\r\nX: ' },
    /65536 bytes of headers/,
  ],
  a_wrong_accept: [
    { send: accepting({ 'Sec-WebSocket-Accept': 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' }) },
    /Sec-WebSocket-Accept/,
  ],
  no_upgrade_header: [{ send: accepting({ Upgrade: 'h2c' }) }, /Upgrade: websocket/],
  no_connection_header: [{ send: accepting({ Connection: 'keep-alive' }) }, /Connection: Upgrade/],
  a_subprotocol_not_offered: [
    { send: accepting({ 'Sec-WebSocket-Protocol': 'v9' }) },
    /subprotocol "v9"/,
  ],
  an_extension_not_offered: [
    { send: accepting({ 'Sec-WebSocket-Extensions': 'x-rot13' }) },
    /extension "x-rot13"/,
  ],
};

/** What follows a wrong answer, again and again. */
const ENDLESS: Record<string, string> = {
  endless_headers: 'X-Filler: so that the headers never end\r\n',
  an_endless_header: 'one that never ends '.repeat(50),
};

for (const tls of [false, true]) {
  for (const [name, way] of Object.entries(WAYS)) {
    const title = `${name}_${tls ? 'over_tls' : 'plain'}`;

    test.serial(`${title}_keeps_the_answer_that_refuses_the_upgrade`, async t => {
      const head = [
        'HTTP/1.1 429 Too Many Requests',
        'Retry-After: 7',
        'Set-Cookie: a=1',
        'Set-Cookie: b=2',
        `Content-Length: ${BODY.length}`,
      ].join('\r\n');
      const error = await failure(t, way, [{ send: `${head}\r\n\r\n${BODY}` }], tls);
      t.is(error.code, 'ERR_S9_HANDSHAKE');
      t.regex(error.message, /429/);
      t.is(error.response?.status, 429);
      t.is(error.response?.headers['retry-after'], '7');
      t.deepEqual(error.response?.headers['set-cookie'], ['a=1', 'b=2']);
      t.is(error.response?.body.toString(), BODY.slice(0, 65_536));
    });

    for (const [what, [step, message]] of Object.entries(WRONG_ANSWERS)) {
      test.serial(`${title}_takes_${what}_for_no_upgrade`, async t => {
        const endless = ENDLESS[what];
        const steps = endless ? [step, { endless }] : [step];
        const error = await failure(t, way, steps, tls);
        t.is(error.code, 'ERR_S9_HANDSHAKE');
        t.regex(error.message, message);
      });
    }

    test.serial(`${title}_gives_up_on_silence_after_connect_timeout`, async t => {
      const error = await failure(t, way, [], tls, { connectTimeout: 300 });
      t.is(error.code, 'ERR_S9_TIMEOUT');
      t.regex(error.message, /upgrade timed out after 300 ms/);
    });

    test.serial(`${title}_gives_up_on_a_server_that_hangs_up`, async t => {
      const error = await failure(t, way, [{ end: 'fin' }], tls);
      t.is(error.code, 'ERR_S9_HANDSHAKE');
      t.regex(error.message, /closed the connection without an answer/);
    });

    test.serial(`${title}_takes_an_unusual_upgrade_in_single_bytes`, async t => {
      const early = 'HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n';
      const lines = { Upgrade: 'WebSocket', Connection: 'keep-alive, Upgrade', 'X-Empty': '' };
      const scene = await server.play(
        [{ chopped: early + accepting(lines) }, ...CLOSE_WHEN_ASKED],
        tls,
      );
      const events = await observed(t, way, scene.url, scene.options, (event, speaker) => {
        if (event.type === 'activated') speaker.close();
      });
      t.deepEqual(told(events), ['activated', 'closed 1000 null', 'quit']);
    });

    test.serial(`${title}_delivers_frames_from_the_packet_of_the_answer`, async t => {
      const frames = Buffer.concat([frame(Opcode.Text, 'first'), frame(Opcode.Binary, 'second')]);
      const send = accepting() + frames.toString('latin1');
      const scene = await server.play([{ send }, ...CLOSE_WHEN_ASKED], tls);
      const events = await observed(t, way, scene.url, scene.options, (event, speaker) => {
        if (event.type === 'binaryMessage') speaker.close();
      });
      t.deepEqual(told(events), [
        'activated',
        'text first',
        'binaryMessage second',
        'closed 1000 null',
        'quit',
      ]);
    });
  }
}

test('the_control_scene_is_accepted', async t => {
  const scene = await server.play([ACCEPT, ...CLOSE_WHEN_ASKED]);
  const way = WAYS.non_blocking_run as Way;
  await observed(t, way, scene.url, {}, (event, speaker) => {
    if (event.type === 'activated') speaker.close(4000, 'done');
  });
  const { frames, end } = await scene.report();
  t.is(end, 'fin');
  t.is(frames.length, 1);
  t.true(frames[0]?.masked);
  t.deepEqual(frames[0]?.payload, Buffer.from('\x0f\xa0done', 'latin1'));
});
