// Whose memory a `Buffer` is that a callback was given: its own, or the next message's with `reuseBuffers`.

import test from 'ava';
import {
  S9BlockingWebSocketClient as BlockingClient,
  S9NonBlockingWebSocketClient as NonBlockingClient,
} from 's9-websocket';
import { EchoServer } from 's9-websocket/testing';

import { CALLBACK_WAYS, type CallbackClient, type Options } from './ways.mjs';

let echo: EchoServer;
test.before(async () => {
  echo = await EchoServer.start();
});
test.after.always(() => echo.close());

/** Around what fits a slab beside others, what takes one of its own, and what is not kept. */
const SIZES = [1, 64, 4_096, 32_768, 32_769, 65_536, 200_000, 3_000_000, 0, 100];

const message = (number: number): Buffer =>
  Buffer.alloc(SIZES[number % SIZES.length] as number, `message ${number} `);

type Received = (data: Buffer, number: number) => void;

/** Has the server return messages one after the other. */
function echoing(count: number, received: Received) {
  let next = 0;
  return {
    onActivated: (client: CallbackClient) => client.sendBinaryMessage(message(0)),
    onBinaryMessage(client: CallbackClient, data: Buffer) {
      received(data, next);
      if (++next === count) client.close();
      else client.sendBinaryMessage(message(next));
    },
    onError(_client: CallbackClient, error: Error) {
      throw error;
    },
  };
}

for (const [name, way] of Object.entries(CALLBACK_WAYS)) {
  const connect = (options: Options) => way.connect(echo.url, options);

  test.serial(`${name}_writes_the_next_message_to_the_same_memory`, async t => {
    const client = await connect({ reuseBuffers: true, textFormat: 'buffer' });
    let sent = 0;
    const seen: Buffer[] = [];
    await way.run(client, {
      onActivated: client => client.sendTextMessage('text 0'),
      onTextMessage(client, data) {
        seen.push(data as unknown as Buffer);
        t.deepEqual(seen.at(-1), Buffer.from(`text ${sent}`));
        if (++sent === 5) client.close();
        else client.sendTextMessage(`text ${sent}`);
      },
    });
    t.is(seen.length, 5);
    // All of them are the last one now.
    for (const data of seen) t.is(data.toString(), 'text 4');
  });

  test.serial(`${name}_hands_reused_memory_over_as_it_was_sent`, async t => {
    const client = await connect({ reuseBuffers: true });
    let right = 0;
    const handler = echoing(3 * SIZES.length, (data, number) => {
      right += Number(data.equals(message(number)));
    });
    await way.run(client, handler);
    t.is(right, 3 * SIZES.length);
  });

  test.serial(`${name}_keeps_what_it_was_given_without`, async t => {
    const client = await connect({});
    const kept: Buffer[] = [];
    await way.run(
      client,
      echoing(2 * SIZES.length, data => void kept.push(data)),
    );
    t.is(kept.length, 2 * SIZES.length);
    t.true(kept.every((data, number) => data.equals(message(number))));
  });

  test.serial(`${name}_loses_nothing_when_a_callback_transfers_a_message`, async t => {
    for (const reuseBuffers of [false, true]) {
      const client = await connect({ reuseBuffers });
      const received: string[] = [];
      await way.run(client, {
        onActivated(client) {
          // In one write, so that they are read together.
          client.cork(() => {
            for (const text of ['first', '', 'second']) client.sendBinaryMessage(Buffer.from(text));
            client.sendTextMessage('third');
          });
        },
        onBinaryMessage(_client, data) {
          received.push(data.toString());
          try {
            structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
          } catch (error) {
            // Node 20 copies instead.
            if ((error as Error).name !== 'DataCloneError') throw error;
          }
        },
        onTextMessage(client, text) {
          received.push(text);
          client.close();
        },
      });
      t.deepEqual(received, ['first', '', 'second', 'third']);
    }
  });

  test.serial(`${name}_may_transfer_a_message_that_has_memory_of_its_own`, async t => {
    const client = await connect({});
    const received: (Buffer | string)[] = [];
    await way.run(client, {
      onActivated(client) {
        client.cork(() => {
          client.sendBinaryMessage(message(6));
          client.sendBinaryMessage(Buffer.alloc(0));
          client.sendTextMessage('');
          client.sendTextMessage('last');
        });
      },
      onBinaryMessage(_client, data) {
        const { buffer } = data;
        received.push(Buffer.from(structuredClone(data, { transfer: [buffer as ArrayBuffer] })));
        t.is(buffer.byteLength, 0);
      },
      onTextMessage(client, text) {
        received.push(text);
        if (text === 'last') client.close();
      },
    });
    t.deepEqual(received, [message(6), Buffer.alloc(0), '', 'last']);
  });

  test.serial(`${name}_keeps_no_memory_of_large_text_with_a_message`, async t => {
    // What it takes is kept for the next one, or let go of.
    for (const text of ['x'.repeat(500_000), '漢'.repeat(100_000), '漢'.repeat(1_000_000)]) {
      const client = await connect({});
      const received: Buffer[] = [];
      await way.run(client, {
        onActivated(client) {
          client.cork(() => {
            client.sendTextMessage(text);
            client.sendBinaryMessage(message(1));
            client.sendBinaryMessage(message(6));
            client.sendBinaryMessage(message(1));
          });
        },
        onTextMessage: (_client, data) => t.is(data, text),
        onBinaryMessage(client, data) {
          received.push(data);
          if (received.length === 3) client.close();
        },
      });
      t.deepEqual(received, [message(1), message(6), message(1)]);
      for (const { buffer } of [received[0], received[2]] as Buffer[]) {
        t.true(buffer.byteLength <= 65_536, `${buffer.byteLength}`);
      }
      t.is(received[1]?.buffer.byteLength, message(6).length);
    }
  });
}

test.serial('a_client_polled_in_a_callback_has_memory_of_its_own', async t => {
  const options = { reuseBuffers: true };
  const outer = await BlockingClient.connect(echo.url, options);
  const inner = await NonBlockingClient.connect(echo.url, options);
  outer.runSync(
    echoing(2, (data, number) => {
      let received = false;
      inner.sendBinaryMessage(Buffer.from('of the inner client'));
      while (!received) {
        inner.poll({
          onBinaryMessage(_client, other) {
            t.is(other.toString(), 'of the inner client');
            received = true;
          },
        });
      }
      t.true(data.equals(message(number)));
    }) as never,
  );
  inner.forceQuit();
  inner.poll({});
});

const LARGE = 48 << 20;
const LARGE_FRAMES = { maxFrameSize: LARGE };

/** What buffers hold, once what is not in use has been collected. */
function held(): number {
  globalThis.gc?.();
  return process.memoryUsage().arrayBuffers;
}

for (const reuseBuffers of [false, true]) {
  const what = reuseBuffers ? 'reused' : 'kept';

  for (const on of ['event-loop', 'background-thread'] as const) {
    const where = on.replace('-', '_');
    test.serial(
      `a_client_on_the_${where}_lets_go_of_a_large_message_where_buffers_are_${what}`,
      async t => {
        const options = { ...LARGE_FRAMES, reuseBuffers, spinWaitDuration: 60_000 };
        const client = await NonBlockingClient.connect(echo.url, options);
        const before = held();
        const received = new Promise<void>(resolve => {
          const ended = client.run(
            {
              onActivated: client => client.sendTextMessage('x'.repeat(LARGE)),
              onTextMessage(_client, text) {
                t.is(text.length, LARGE);
                resolve();
              },
            },
            { on },
          );
          t.teardown(() => ended);
        });
        await received;
        // Swept on another thread: no sooner.
        const deadline = performance.now() + 10_000;
        while (held() > before + (4 << 20) && performance.now() < deadline) {
          await new Promise(setImmediate);
        }
        t.true(held() <= before + (4 << 20), `${held() - before} bytes more`);
        client.close();
      },
    );
  }

  test.serial(`a_client_that_blocks_lets_go_of_a_large_message_where_buffers_are_${what}`, t => {
    const options = { ...LARGE_FRAMES, reuseBuffers, readTimeout: 10 };
    const client = BlockingClient.connectSync(echo.url, options);
    const before = held();
    let deadline = Number.POSITIVE_INFINITY;
    let more = LARGE;
    client.sendTextMessage('x'.repeat(LARGE));
    client.runSync({
      onTextMessage(_client, text) {
        t.is(text.length, LARGE);
        deadline = performance.now() + 10_000;
      },
      onIdle(client) {
        if (deadline === Number.POSITIVE_INFINITY) return;
        more = held() - before;
        if (more <= 4 << 20 || performance.now() > deadline) client.close();
      },
    });
    t.true(more <= 4 << 20, `${more} bytes more`);
  });
}
