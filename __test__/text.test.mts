// Text of every script and length, beside what else moves the memory that it is handed over in.

import { constants } from 'node:buffer';
import { once } from 'node:events';

import test, { type ExecutionContext } from 'ava';
import {
  S9AsyncNonBlockingWebSocketClient as AsyncClient,
  S9WebSocketError,
  type WebSocketEvent,
} from 's9-websocket';

import { closeFrame, frame, Opcode } from './frames.mjs';
import { Random, SEED } from './random.mjs';
import { ACCEPT, CLOSE_WHEN_ASKED } from './script.mjs';
import { ScriptedServer } from './scripted-server.mjs';
import { upgradingPeer } from './unhelpful-peers.mjs';
import { CALLBACK_WAYS, observed, WAYS } from './ways.mjs';

let server: ScriptedServer;
test.before(async () => {
  server = await ScriptedServer.start();
});
test.after.always(() => server.stop());

const TEXTS = 400;
const LAST = 'the last';

/** The first and last characters that UTF-8 takes 1, 2, 3 and 4 bytes for, of Latin-1, and around surrogates. */
const EDGES = [
  ...[0, 0x7f, 0x80, 0xff, 0x100, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfeff, 0xfffe, 0xffff, 0x1_0000],
  0x10_ffff,
];
const EDGES_TOGETHER = String.fromCodePoint(...EDGES);
/** Ranges of characters. */
const SCRIPTS = [
  [0x20, 0x7e],
  [0xa0, 0xff],
  [0x410, 0x44f],
  [0x4e00, 0x9fff],
  [0x1_f300, 0x1_f64f],
] as const;
/** The most characters: less than V8 takes to copy at once, a read's worth, and more than a slab. */
const LENGTHS = [12, 12, 12, 300, 300, 2_000, 6_000];
const LONG = 70_000;

function textFrom(random: Random, most: number): string {
  const script = random.pick(SCRIPTS);
  // ASCII alone, and other scripts in it: seldom, often, and nothing else.
  const strangers = random.pick([0, 1, 4, 60]);
  let text = random.oneIn(8) ? '\ufeff' : '';
  for (let length = random.between(0, most); length > 0; length--) {
    const [first, last] = strangers > 0 && random.oneIn(strangers) ? script : SCRIPTS[0];
    const edge = random.oneIn(100) && strangers > 0;
    text += String.fromCodePoint(edge ? random.pick(EDGES) : random.between(first, last));
  }
  return text;
}

/** A text in one frame, or in two that may part a character. */
function framesOf(text: string, random: Random): Buffer[] {
  const bytes = Buffer.from(text);
  if (!random.oneIn(5)) return [frame(Opcode.Text, bytes)];
  const cut = random.between(0, bytes.length);
  return [
    frame(Opcode.Text, bytes.subarray(0, cut), { fin: false }),
    frame(Opcode.Continuation, bytes.subarray(cut)),
  ];
}

for (const [name, way] of Object.entries(WAYS)) {
  test.serial(`${name}_brings_text_of_all_scripts_as_it_was_sent`, async t => {
    const random = new Random(SEED, name);
    const texts = Array.from({ length: TEXTS }, () => textFrom(random, random.pick(LENGTHS)));
    const long = 'x'.repeat(LONG);
    // An empty one behind one that fills its slab to the last, odd byte.
    texts.splice(TEXTS / 2, 0, textFrom(random, LONG), EDGES_TOGETHER, `${long}€`, `${long}x`, '');
    const frames = texts.flatMap(text => [
      ...framesOf(text, random),
      ...(random.oneIn(3) ? [frame(Opcode.Binary, random.bytes(random.between(0, 9)))] : []),
    ]);
    const flood = Buffer.concat([...frames, frame(Opcode.Text, LAST)]);
    const scene = await server.play([ACCEPT, { send: flood }, ...CLOSE_WHEN_ASKED]);
    const received: string[] = [];
    await observed(t, way, scene.url, scene.options, (event, speaker) => {
      if (event.type !== 'textMessage') return;
      if (event.data === LAST) speaker.close();
      else received.push(event.data);
    });
    t.is(received.length, texts.length);
    const wrong = texts.findIndex((text, index) => text !== received[index]);
    t.is(
      wrong,
      -1,
      `text ${wrong} of seed ${SEED}: ${JSON.stringify(texts[wrong]?.slice(0, 200))}`,
    );
  });
}

/** Short texts are decoded several at a time: around how many characters that is, and none. */
const TOGETHER = [0, 1, 12, 13, 64, 100, 255, 256, 257, 511, 512, 513, 1_023, 1_024, 1_025, 1_100];

for (const [name, way] of Object.entries(WAYS)) {
  test.serial(`${name}_keeps_short_texts_apart_that_come_together`, async t => {
    const random = new Random(SEED, name);
    let stranger = '';
    const texts = Array.from({ length: 3_000 }, (_, index) => {
      if (random.oneIn(20)) stranger = random.pick(['', 'é', '€']);
      const characters = random.pick(random.oneIn(3) ? TOGETHER : [20, 64, 64]);
      return `${stranger}${index} `.repeat(1_100).slice(0, characters);
    });
    const frames = texts.flatMap(text => [
      frame(Opcode.Text, text),
      ...(random.oneIn(20) ? [frame(Opcode.Ping, 'ping')] : []),
      ...(random.oneIn(20) ? [frame(Opcode.Text, '§')] : []),
    ]);
    const flood = Buffer.concat([...frames, frame(Opcode.Text, LAST)]);
    const scene = await server.play([ACCEPT, { send: flood }, ...CLOSE_WHEN_ASKED]);
    const received: string[] = [];
    await observed(t, way, scene.url, scene.options, (event, speaker) => {
      if (event.type !== 'textMessage' || event.data === '§') return;
      if (event.data === LAST) speaker.close();
      else received.push(event.data);
    });
    t.is(received.length, texts.length);
    t.is(
      texts.findIndex((text, index) => text !== received[index]),
      -1,
      `seed ${SEED}`,
    );
  });
}

/** More characters than a string can have, in pieces of a mebibyte. */
const PIECE = Buffer.alloc(2 ** 20, 'x');
const PIECES = Math.ceil((constants.MAX_STRING_LENGTH + 1) / PIECE.length);
const TOO_LONG = PIECES * PIECE.length;
const LARGE = { maxMessageSize: 2 ** 30, maxFrameSize: 2 ** 30 };

/** Upgrades and sends these texts, `undefined` being one that is too long; a Close is answered. */
async function start(t: ExecutionContext, texts: readonly (string | undefined)[]) {
  const peer = await upgradingPeer(async socket => {
    socket.once('data', () => socket.end(closeFrame(1000)));
    for (const text of texts) {
      if (text !== undefined) socket.write(frame(Opcode.Text, text));
      else {
        socket.write(frame(Opcode.Text, '', { announced: BigInt(TOO_LONG) }));
        for (let sent = 0; sent < PIECES && !socket.destroyed; sent++) {
          if (!socket.write(PIECE)) await once(socket, 'drain');
        }
      }
    }
  });
  t.teardown(() => peer.close());
  return peer.url;
}

function checkTooLarge(t: ExecutionContext, error: unknown): void {
  t.true(error instanceof S9WebSocketError);
  const { code, message, cause } = error as S9WebSocketError;
  t.is(code, 'ERR_S9_MESSAGE_TOO_LARGE');
  for (const part of [TOO_LONG, constants.MAX_STRING_LENGTH, "textFormat: 'buffer'"]) {
    t.true(message.includes(`${part}`), message);
  }
  t.true(cause instanceof Error);
}

test.serial('a_receive_of_a_text_too_long_for_a_string_fails_and_the_next_goes_on', async t => {
  const url = await start(t, ['a', undefined, 'b', undefined, 'c']);
  const client = await AsyncClient.connect(url, LARGE);
  t.teardown(() => client[Symbol.dispose]());
  const thread = client.run();
  const { eventRx } = client;
  const textOf = (event?: WebSocketEvent) =>
    event?.type === 'textMessage' ? event.data : event?.type;
  const fails = async (receive: () => unknown) => {
    const [settled] = await Promise.allSettled([(async () => receive())()]);
    if (settled?.status === 'rejected') checkTooLarge(t, settled.reason);
    else t.fail(`received ${textOf(settled?.value as WebSocketEvent)}`);
  };
  t.is(textOf(await eventRx.recv()), 'activated');
  t.is(textOf(await eventRx.recv()), 'a');
  await fails(() => eventRx.recv());
  while (eventRx.length < 2) await new Promise(setImmediate);
  // What drain has taken already is not lost for the one that it meets.
  t.deepEqual(eventRx.drain().map(textOf), ['b']);
  await fails(async () => {
    for await (const event of eventRx) return event;
    return undefined;
  });
  for await (const event of eventRx) {
    t.is(textOf(event), 'c');
    break;
  }
  t.is(eventRx.length, 0);
  client.controlTx.send({ type: 'close' });
  t.is(textOf(await eventRx.recv()), 'connectionClosed');
  t.is(textOf(await eventRx.recv()), 'quit');
  await thread.join();
});

test.serial('a_run_fails_with_a_text_too_long_for_a_string_after_on_quit', async t => {
  const way = CALLBACK_WAYS.non_blocking_thread!;
  const client = await way.connect(await start(t, [undefined]), LARGE);
  const told: string[] = [];
  const error = await t.throwsAsync(
    way.run(client, {
      onActivated: () => void told.push('activated'),
      onTextMessage: () => void told.push('text'),
      onError: () => void told.push('error'),
      onQuit: () => void told.push('quit'),
    }),
  );
  checkTooLarge(t, error);
  t.deepEqual(told, ['activated', 'quit']);
});
