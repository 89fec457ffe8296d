// Text of every script and length, beside what else moves the memory that it is handed over in.

import test from 'ava';

import { frame, Opcode } from './frames.mjs';
import { Random, SEED } from './random.mjs';
import { ACCEPT, CLOSE_WHEN_ASKED } from './script.mjs';
import { ScriptedServer } from './scripted-server.mjs';
import { observed, WAYS } from './ways.mjs';

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
