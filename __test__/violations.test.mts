// Servers that violate RFC 6455 or the client's limits: they are told so by code, and it is over.

import test from 'ava';

import { closeFrame, frame, Opcode } from './frames.mjs';
import { ACCEPT } from './script.mjs';
import { ScriptedServer } from './scripted-server.mjs';
import { observed, told, WAYS } from './ways.mjs';

let server: ScriptedServer;
test.before(async () => {
  server = await ScriptedServer.start();
});
test.after.always(() => server.stop());

const LIMITS = { maxMessageSize: 5_000, maxFrameSize: 3_000 };

/** What a server sends, the error that it is, and the code that the server is told. */
const VIOLATIONS: Record<string, [Buffer[], string, number]> = {
  a_masked_frame: [[frame(Opcode.Text, 'hi', { masked: true })], 'PROTOCOL', 1002],
  a_reserved_opcode: [[frame(3, 'hi')], 'PROTOCOL', 1002],
  a_reserved_control_opcode: [[frame(11, 'hi')], 'PROTOCOL', 1002],
  rsv1_without_an_extension: [[frame(Opcode.Text, 'hi', { rsv: 4 })], 'PROTOCOL', 1002],
  rsv3: [[frame(Opcode.Ping, '', { rsv: 1 })], 'PROTOCOL', 1002],
  a_fragmented_ping: [[frame(Opcode.Ping, 'hi', { fin: false })], 'PROTOCOL', 1002],
  an_oversized_ping: [[frame(Opcode.Ping, Buffer.alloc(126))], 'PROTOCOL', 1002],
  a_continuation_of_nothing: [[frame(Opcode.Continuation, 'hi')], 'PROTOCOL', 1002],
  a_message_within_a_message: [
    [frame(Opcode.Text, 'hi', { fin: false }), frame(Opcode.Binary, 'ho')],
    'PROTOCOL',
    1002,
  ],
  a_close_of_one_byte: [[frame(Opcode.Close, Buffer.of(3))], 'PROTOCOL', 1002],
  a_close_with_an_invalid_code: [[closeFrame(999)], 'PROTOCOL', 1002],
  invalid_utf8: [[frame(Opcode.Text, Buffer.of(0x68, 0xff))], 'INVALID_UTF8', 1007],
  utf8_cut_off_at_the_end: [
    [frame(Opcode.Text, Buffer.of(0x68, 0xc3), { fin: false }), frame(Opcode.Continuation, 'hi')],
    'INVALID_UTF8',
    1007,
  ],
  an_invalid_close_reason: [
    [frame(Opcode.Close, Buffer.of(0x03, 0xe8, 0xff))],
    'INVALID_UTF8',
    1007,
  ],
  a_frame_over_the_limit: [[frame(Opcode.Binary, Buffer.alloc(3_001))], 'MESSAGE_TOO_LARGE', 1009],
  a_message_over_the_limit: [
    [
      frame(Opcode.Binary, Buffer.alloc(2_501), { fin: false }),
      frame(Opcode.Continuation, Buffer.alloc(2_500)),
    ],
    'MESSAGE_TOO_LARGE',
    1009,
  ],
  a_hostile_header_alone: [
    [frame(Opcode.Binary, '', { announced: 2n ** 62n })],
    'MESSAGE_TOO_LARGE',
    1009,
  ],
};

for (const tls of [false, true]) {
  for (const [name, way] of Object.entries(WAYS)) {
    for (const [what, [frames, error, code]] of Object.entries(VIOLATIONS)) {
      test.serial(`${name}_${tls ? 'over_tls' : 'plain'}_refuses_${what}`, async t => {
        const before = { send: frame(Opcode.Text, 'before') };
        const scene = await server.play([ACCEPT, before, { send: Buffer.concat(frames) }], tls);
        const events = await observed(t, way, scene.url, { ...scene.options, ...LIMITS });
        t.deepEqual(told(events), ['activated', 'text before', `error ERR_S9_${error}`, 'quit']);
        const report = await scene.report();
        t.is(report.end, 'fin');
        t.is(report.frames.length, 1);
        t.like(report.frames[0], { opcode: Opcode.Close, fin: true, rsv: 0, masked: true });
        t.deepEqual(report.frames[0]?.payload, closeFrame(code).subarray(2));
      });
    }

    test.serial(`${name}_${tls ? 'over_tls' : 'plain'}_takes_what_the_limits_allow`, async t => {
      const allowed = [
        frame(Opcode.Binary, Buffer.alloc(2_500), { fin: false }),
        frame(Opcode.Ping, Buffer.alloc(125, 'p')),
        frame(Opcode.Continuation, Buffer.alloc(2_500)),
        frame(Opcode.Binary, Buffer.alloc(3_000)),
        frame(Opcode.Text, Buffer.of(0xf0, 0x9f), { fin: false }),
        frame(Opcode.Continuation, Buffer.of(0x8c, 0x8d)),
        closeFrame(1000),
      ];
      const scene = await server.play(
        [ACCEPT, { send: Buffer.concat(allowed) }, { end: 'fin' }],
        tls,
      );
      const events = await observed(t, way, scene.url, { ...scene.options, ...LIMITS });
      t.deepEqual(
        events.map(event => ('data' in event ? event.data.length : event.type)),
        ['activated', 125, 5_000, 3_000, '🌍'.length, 'connectionClosed', 'quit'],
      );
    });
  }
}
