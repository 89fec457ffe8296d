// What every way to run a client has in common, over ws:// and wss://, against the echo server.

import test from 'ava';
import { EchoServer } from 's9-websocket/testing';

import { WAYS } from './ways.mjs';

for (const tls of [false, true]) {
  for (const [name, way] of Object.entries(WAYS)) {
    const title = `${name}_${tls ? 'over_tls' : 'plain'}`;
    const start = async () => {
      const server = await EchoServer.start({ tls });
      return { server, options: server.ca === undefined ? {} : { tls: { ca: server.ca } } };
    };

    test.serial(`${title}_tells_everything_in_order`, async t => {
      const { server, options } = await start();
      const log: string[] = [];
      await way.run(server.url, options, (event, speaker) => {
        switch (event.type) {
          case 'activated':
            speaker.text('grüße 🌍');
            break;
          case 'textMessage':
            log.push(event.data);
            if (event.data === '') speaker.binary(Uint8Array.of(0, 255));
            else speaker.text('');
            return;
          case 'binaryMessage':
            speaker.ping(Buffer.from('pulse'));
            break;
          case 'pong':
            log.push(event.data.toString());
            speaker.close(4001, 'done');
            return;
          case 'connectionClosed':
            log.push(`${event.code} ${event.reason}`);
            break;
        }
        log.push(event.type);
      });
      await server.close();
      t.deepEqual(log, [
        'activated',
        'grüße 🌍',
        '',
        'binaryMessage',
        'pulse',
        '4001 done',
        'connectionClosed',
        'quit',
      ]);
    });

    test.serial(`${title}_loses_doubles_and_reorders_nothing`, async t => {
      const { server, options } = await start();
      const wanted = 5_000;
      const numbers: number[] = [];
      await way.run(server.url, options, (event, speaker) => {
        if (event.type === 'activated') {
          for (let number = 0; number < wanted; number++) speaker.text(String(number));
        }
        if (event.type === 'textMessage' && numbers.push(Number(event.data)) === wanted) {
          speaker.close(1000, '');
        }
      });
      await server.close();
      t.deepEqual(
        numbers,
        Array.from({ length: wanted }, (_, number) => number),
      );
    });

    test.serial(`${title}_echoes_every_size_and_leaves_buffers_alone`, async t => {
      const { server, options } = await start();
      const sizes = [0, 1, 125, 126, 65_535, 65_536, 3_000_000];
      const sent = sizes.map((size, index) => Buffer.alloc(size, index + 1));
      const received: Buffer[] = [];
      await way.run(server.url, options, (event, speaker) => {
        if (event.type === 'activated') for (const data of sent) speaker.binary(data);
        if (event.type === 'binaryMessage' && received.push(event.data) === sizes.length) {
          speaker.close(1000, '');
        }
      });
      await server.close();
      // Compared only now: later messages must not have been written over earlier ones.
      t.deepEqual(
        received.map(data => data.length),
        sizes,
      );
      t.true(received.every((data, index) => data.equals(sent[index]!)));
    });

    test.serial(`${title}_force_quit_is_followed_by_quit_alone`, async t => {
      const { server, options } = await start();
      const log: string[] = [];
      await way.run(server.url, options, (event, speaker) => {
        log.push(event.type);
        if (event.type === 'activated') speaker.text('one');
        if (event.type === 'textMessage') speaker.forceQuit();
      });
      await server.close();
      t.deepEqual(log, ['activated', 'textMessage', 'quit']);
    });
  }
}
