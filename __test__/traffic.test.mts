// Servers whose traffic is allowed and unkind: single bytes, floods, and one that does not read.

import test from 'ava';

import { frame, Opcode } from './frames.mjs';
import { ACCEPT, CLOSE_WHEN_ASKED } from './script.mjs';
import { ScriptedServer } from './scripted-server.mjs';
import { type Options, observed, told, WAYS } from './ways.mjs';

let server: ScriptedServer;
test.before(async () => {
  server = await ScriptedServer.start();
});
test.after.always(() => server.stop());

const FLOOD = 3_000;

for (const tls of [false, true]) {
  for (const [name, way] of Object.entries(WAYS)) {
    const title = `${name}_${tls ? 'over_tls' : 'plain'}`;

    test.serial(`${title}_puts_frames_together_from_single_bytes`, async t => {
      const text = 'größer als 125 Bytes: '.repeat(8);
      const halves = [Buffer.from(text).subarray(0, 3), Buffer.from(text).subarray(3)];
      const frames = Buffer.concat([
        frame(Opcode.Text, halves[0], { fin: false }),
        frame(Opcode.Ping, 'between'),
        frame(Opcode.Continuation, halves[1]),
        frame(Opcode.Binary),
      ]);
      const scene = await server.play([ACCEPT, { chopped: frames }, ...CLOSE_WHEN_ASKED], tls);
      const events = await observed(t, way, scene.url, scene.options, (event, speaker) => {
        if (event.type === 'binaryMessage') speaker.close();
      });
      t.deepEqual(told(events), [
        'activated',
        'ping between',
        `text ${text}`,
        'binaryMessage ',
        'closed 1000 null',
        'quit',
      ]);
    });

    test.serial(`${title}_answers_every_ping_of_a_flood_in_order`, async t => {
      const payloads = Array.from({ length: FLOOD }, (_, number) => `ping ${number}`);
      const pings = payloads.map(payload => frame(Opcode.Ping, payload));
      const flood = Buffer.concat([...pings, frame(Opcode.Text, 'all')]);
      const scene = await server.play([ACCEPT, { send: flood }, ...CLOSE_WHEN_ASKED], tls);
      const events = await observed(t, way, scene.url, scene.options, (event, speaker) => {
        if (event.type === 'textMessage') speaker.close();
      });
      t.deepEqual(told(events), [
        'activated',
        ...payloads.map(payload => `ping ${payload}`),
        'text all',
        'closed 1000 null',
        'quit',
      ]);
      const { frames } = await scene.report();
      const pongs = frames.filter(({ opcode }) => opcode === Opcode.Pong);
      t.deepEqual(
        pongs.map(({ payload }) => payload.toString()),
        payloads,
      );
    });

    test.serial(`${title}_queues_for_a_peer_that_does_not_read_and_loses_nothing`, async t => {
      const scene = await server.play(
        [ACCEPT, { reading: false }, { awaits: 'goOn' }, { reading: true }, ...CLOSE_WHEN_ASKED],
        tls,
      );
      const options: Options = {
        ...scene.options,
        sendBufferSize: 64 << 10,
        maxBufferedAmount: 1 << 20,
        // Without, a blocking write would wait for the peer, which waits for the test.
        ...(way.blocking && { writeTimeout: 20 }),
      };
      const message = (number: number) => Buffer.alloc(50_000, number);
      let accepted = 0;
      let refused: unknown;
      await observed(t, way, scene.url, options, (event, speaker) => {
        if (event.type !== 'activated') return;
        try {
          for (;;) {
            speaker.binary(message(accepted + 1));
            accepted++;
          }
        } catch (error) {
          refused = error;
        }
        t.true(speaker.bufferedAmount > 0);
        // What is small enough still goes, behind the rest.
        speaker.text('last');
        scene.goOn();
        speaker.close(1000, 'done');
      });
      t.like(refused, { code: 'ERR_S9_WRITE_BUFFER_FULL' });
      t.true(accepted >= 20, `${accepted} messages of 50 kB in 1 MiB`);
      const { frames, end } = await scene.report();
      t.is(end, 'fin');
      const [close, last, ...messages] = frames.reverse();
      t.is(close?.opcode, Opcode.Close);
      t.is(last?.payload.toString(), 'last');
      t.true(messages.reverse().every(({ payload }, index) => payload.equals(message(index + 1))));
      t.is(messages.length, accepted);
    });
  }
}
