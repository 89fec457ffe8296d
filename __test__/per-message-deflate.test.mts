// permessage-deflate against `ws` and against Node's zlib, in both directions, with all parameters.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

import test, { type ExecutionContext } from 'ava';
import {
  NonBlockingOptions,
  type PerMessageDeflateOptions,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
  S9WebSocketError,
} from 's9-websocket';

import { type Frame, frame, rawServer } from './raw-server.mjs';

type Message = string | Buffer;

/** Numbers that a seed decides. */
function random(seed: number): (most: number) => number {
  let state = seed;
  return most => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % most;
  };
}

/** Empty, short and long, text and bytes, of much or little that repeats. */
function messages(seed: number, count: number): Message[] {
  const next = random(seed);
  const one = (): Message => {
    const length = [0, next(4), next(200), next(2000), next(70_000)][next(5)] ?? 0;
    switch (next(3)) {
      case 0:
        return `{"id":${next(1000)},"é":"€"},`.repeat(length / 20);
      case 1:
        return Buffer.from(Array.from({ length }, () => next(256)));
      default:
        return Buffer.from(Array.from({ length }, () => 97 + next(4)));
    }
  };
  return Array.from({ length: count }, one);
}

function same(t: ExecutionContext, received: Message[], sent: Message[], about: string): void {
  const shown = (message: Message) =>
    `${typeof message} ${createHash('sha1').update(message).digest('hex')} ${message.length}`;
  t.deepEqual(received.map(shown), sent.map(shown), about);
}

/** Sends the messages and gives back those received, closing once there are as many. */
async function exchanged(
  client: S9NonBlockingWebSocketClient,
  sent: Message[],
): Promise<Message[]> {
  const received: Message[] = [];
  const take = (_: unknown, data: Message) => {
    received.push(data);
    if (received.length === sent.length) client.close();
  };
  await client.run({
    onActivated() {
      for (const message of sent) {
        if (typeof message === 'string') client.sendTextMessage(message);
        else client.sendBinaryMessage(message);
      }
    },
    onTextMessage: take,
    onBinaryMessage: take,
    onError(_, error) {
      throw error;
    },
  });
  return received;
}

test('every_combination_of_parameters_is_spoken_with_ws', async t => {
  const server = spawn(
    process.execPath,
    [fileURLToPath(new URL('./deflate-server.mjs', import.meta.url))],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  t.teardown(() => server.stdin.end());
  const port = Number((await once(server.stdout, 'data'))[0]);

  const either = [false, true];
  const windows = [
    {},
    { serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
    { serverMaxWindowBits: 15, clientMaxWindowBits: 15 },
    { serverMaxWindowBits: 8 },
    { clientMaxWindowBits: 11 },
  ];
  const combinations = either.flatMap(serverNoContextTakeover =>
    either.flatMap(clientNoContextTakeover =>
      windows.map(window => ({ serverNoContextTakeover, clientNoContextTakeover, ...window })),
    ),
  );
  let seed = 0;
  let [agreements, refusals] = [0, 0];
  for (const offered of combinations) {
    for (const allowed of combinations) {
      seed++;
      const about = `${JSON.stringify(offered)} to ${JSON.stringify(allowed)}, seed ${seed}`;
      // As `ws` reads its options: false of the server forbids it, undefined leaves it open.
      const options = {
        threshold: 0,
        ...allowed,
        serverNoContextTakeover: allowed.serverNoContextTakeover || undefined,
      };
      const connecting = S9NonBlockingWebSocketClient.connect(
        `ws://127.0.0.1:${port}/?${encodeURIComponent(JSON.stringify(options))}`,
        { perMessageDeflate: { threshold: 0, ...offered } },
      );
      // `ws` declines to use less than its own options say.
      const declines = (['serverMaxWindowBits', 'clientMaxWindowBits'] as const).some(
        name => (allowed[name] ?? 0) > (offered[name] ?? 15),
      );
      if (declines) {
        const error = await t.throwsAsync(connecting, { instanceOf: S9WebSocketError }, about);
        t.is(error?.code, 'ERR_S9_HANDSHAKE', about);
        t.is(error?.response?.status, 400, about);
        refusals++;
        continue;
      }
      const client = await connecting;
      const { extensions } = client.response;
      t.true(extensions.startsWith('permessage-deflate'), about);
      for (const [name, agreed] of [
        [
          'server_no_context_takeover',
          offered.serverNoContextTakeover || allowed.serverNoContextTakeover,
        ],
        [
          'client_no_context_takeover',
          offered.clientNoContextTakeover || allowed.clientNoContextTakeover,
        ],
      ] as const) {
        t.is(extensions.includes(name), agreed, `${extensions} of ${about}`);
      }
      const sent = messages(seed, 8);
      same(t, await exchanged(client, sent), sent, about);
      agreements++;
    }
  }
  t.true(agreements > 200 && refusals > 50, `${agreements} agreements, ${refusals} refusals`);
});

const TAIL = Buffer.of(0, 0, 0xff, 0xff);

/** All the messages in one context, as `options` say, each cut off at its flush. */
async function deflated(sent: Message[], options: zlib.ZlibOptions): Promise<Buffer[]> {
  const deflate = zlib.createDeflateRaw(options);
  const payloads: Buffer[] = [];
  for (const message of sent) {
    const chunks: Buffer[] = [];
    const collect = (chunk: Buffer) => chunks.push(chunk);
    deflate.on('data', collect);
    if (message.length > 0) {
      deflate.write(message);
      await new Promise<void>(done => deflate.flush(zlib.constants.Z_SYNC_FLUSH, done));
    }
    deflate.off('data', collect);
    payloads.push(message.length > 0 ? Buffer.concat(chunks).subarray(0, -4) : Buffer.of(0));
  }
  return payloads;
}

/** The client's messages, inflated as was agreed on. */
function inflated(frames: Frame[], alone: boolean, windowBits: number): Message[] {
  let context: Buffer[] = [];
  let before = 0;
  return frames.map(({ opcode, compressed, payload }) => {
    let data = payload;
    if (compressed) {
      if (alone) [context, before] = [[], 0];
      context.push(payload, TAIL);
      const all = zlib.inflateRawSync(Buffer.concat(context), {
        windowBits,
        finishFlush: zlib.constants.Z_SYNC_FLUSH,
      });
      data = all.subarray(before);
      before = all.length;
    }
    return opcode === 1 ? data.toString() : data;
  });
}

test('random_messages_go_both_ways_with_nodes_zlib', async t => {
  const next = random(7);
  for (let seed = 1; seed <= 60; seed++) {
    const [window, alone] = [9 + next(7), next(2) === 1];
    const ours = { level: next(10), memLevel: 1 + next(9), threshold: next(2) * 100 };
    const theirs = {
      level: next(10),
      memLevel: 1 + next(9),
      windowBits: 9 + next(7),
      strategy: next(5),
    };
    const about = `seed ${seed}: ${JSON.stringify({ ours, theirs, window, alone })}`;
    const [toClient, toServer] = [messages(1000 + seed, 12), messages(2000 + seed, 12)];
    const payloads = await deflated(toClient, theirs);
    const server = await rawServer(
      `permessage-deflate${alone ? '; client_no_context_takeover' : ''}`,
      toClient.map((message, at) =>
        frame(typeof message === 'string' ? 0xc1 : 0xc2, payloads[at]!),
      ),
      toServer.length,
    );
    const client = await S9NonBlockingWebSocketClient.connect(server.url, {
      perMessageDeflate: { ...ours, clientMaxWindowBits: window },
    });
    same(t, await exchanged(client, toServer), toClient, `to the client, ${about}`);
    const received = (await server.received).filter(({ opcode }) => opcode < 8);
    same(t, inflated(received, alone, window), toServer, `to the server, ${about}`);
  }
});

test('every_client_sends_compressed_and_by_choice_not', async t => {
  const text = 'the same words and the same words again';
  const plain = { compress: false };
  const sends = (client: S9NonBlockingWebSocketClient | S9BlockingWebSocketClient) => ({
    onActivated() {
      client.sendTextMessage(text);
      client.sendTextMessage(text, plain);
      client.sendBinaryMessage(Buffer.from(text), plain);
      client.sendBinaryMessage(Buffer.from(text), { compress: true });
    },
  });
  const options = { perMessageDeflate: { threshold: 0 } };
  const ways = {
    async onEventLoop(url: string) {
      const client = await S9NonBlockingWebSocketClient.connect(
        url,
        new NonBlockingOptions().perMessageDeflate(options.perMessageDeflate),
      );
      await client.run(sends(client));
    },
    async onThread(url: string) {
      const client = await S9NonBlockingWebSocketClient.connect(url, options);
      await client.run(sends(client), { on: 'background-thread' });
    },
    async blocking(url: string) {
      const client = await S9BlockingWebSocketClient.connect(url, options);
      await client.run(sends(client));
    },
    async throughChannel(url: string) {
      const client = await S9AsyncNonBlockingWebSocketClient.connect(url, options);
      client.controlTx.send({ type: 'sendText', text });
      client.controlTx.send({ type: 'sendText', text, compress: false });
      client.controlTx.send({ type: 'sendBinary', data: Buffer.from(text), compress: false });
      client.controlTx.send({ type: 'sendBinary', data: Buffer.from(text), compress: true });
      await client.run().join();
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    const server = await rawServer('permessage-deflate', [], 4);
    await way(server.url);
    const kinds = (await server.received).map(
      ({ opcode, compressed }) => `${opcode}${compressed ? ' compressed' : ''}`,
    );
    t.deepEqual(kinds, ['1 compressed', '1', '2', '2 compressed', '8'], name);
  }
});

test('a_wrong_option_names_itself_its_value_and_what_is_allowed', async t => {
  const refusals: Array<[unknown, string]> = [
    [7, 'perMessageDeflate: 7 (allowed: true, false or an object of its options)'],
    [null, 'perMessageDeflate: null (allowed: true, false or an object of its options)'],
    [{ level: 10 }, 'perMessageDeflate.level: 10 (allowed: 0 to 9)'],
    [{ level: -1 }, 'perMessageDeflate.level: -1 (allowed: a whole number, not negative)'],
    [{ memLevel: 0 }, 'perMessageDeflate.memLevel: 0 (allowed: 1 to 9)'],
    [{ threshold: '1' }, 'perMessageDeflate.threshold: "1" (allowed: a number)'],
    [{ serverMaxWindowBits: 16 }, 'perMessageDeflate.serverMaxWindowBits: 16 (allowed: 8 to 15)'],
    [{ clientMaxWindowBits: 8 }, 'perMessageDeflate.clientMaxWindowBits: 8 (allowed: 9 to 15'],
    [
      { serverNoContextTakeover: 1 },
      'perMessageDeflate.serverNoContextTakeover: 1 (allowed: true or false)',
    ],
    [{ windowBits: 9 }, 'option: "perMessageDeflate.windowBits" (allowed: a documented option'],
  ];
  for (const [given, text] of refusals) {
    const perMessageDeflate = given as PerMessageDeflateOptions;
    const expected = { instanceOf: S9WebSocketError, code: 'ERR_S9_INVALID_CONFIGURATION' };
    const thrown = t.throws(
      () => new NonBlockingOptions().perMessageDeflate(perMessageDeflate),
      expected,
    );
    t.true(thrown?.message.includes(text), thrown?.message);
    await t.throwsAsync(
      S9NonBlockingWebSocketClient.connect('ws://127.0.0.1:1', { perMessageDeflate }),
      expected,
    );
  }
});
