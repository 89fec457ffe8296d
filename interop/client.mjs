// Talks to one server in every way to run a client: `node client.mjs URL CA DEFLATE`. Prints an object of
// what went wrong, by way; nothing where all went well.

import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import {
  ControlMessage,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
} from 's9-websocket';

const [url, ca, deflate] = process.argv.slice(2);
const OPTIONS = {
  ...(ca && { tls: { ca: readFileSync(ca) } }),
  ...(deflate === 'deflate' && { perMessageDeflate: true }),
};
/** Around each form of a frame's length, and what takes many reads. */
const SIZES = [1, 2, 125, 126, 127, 4_096, 65_535, 65_536, 1 << 20, 8 << 20];

function text(size) {
  return size < 4
    ? 'x'.repeat(size)
    : `🌍${'price '.repeat(Math.ceil(size / 6)).slice(0, size - 4)}`;
}

function binary(size) {
  const data = Buffer.alloc(size);
  for (let index = 0; index < size; index++) data[index] = (index * index) >> 3;
  return data;
}

/** What is sent, each with what has to come back before the next. */
const ECHOES = [
  ...SIZES.map(size => ({ kind: 'text', data: text(size) })),
  ...SIZES.map(size => ({ kind: 'binary', data: binary(size) })),
  { kind: 'pong', data: Buffer.from('ping') },
  { kind: 'pong', data: Buffer.alloc(0) },
];

/** Each begins, takes what comes, and ends as it says or tells what came in its place. */
class Conversation {
  constructor(script, end) {
    this.left = [...script];
    this.expectedEnd = end;
  }

  next(send) {
    const [step] = this.left;
    if (step) send(step);
  }

  came(kind, data, send) {
    const step = this.left.shift();
    const isRight = step?.kind === kind && isDeepStrictEqual(step.data, data);
    if (!isRight)
      throw new Error(`${shown(kind, data)} in place of ${shown(step?.kind, step?.data)}`);
    this.next(send);
  }

  ended(code, reason) {
    const { codes, reason: expectedReason = reason } = this.expectedEnd;
    this.isOver = codes.includes(code) && expectedReason === reason;
    if (!this.isOver) throw new Error(`closed with ${code} ${JSON.stringify(reason)}`);
  }
}

const shown = (kind, data) => `${kind} of ${data?.length}`;

/** A server answers a Close with its code, or, as aiohttp does, with 1000. */
const conversations = () => [
  new Conversation([...ECHOES, { kind: 'close', code: 4001, reason: 'done' }], {
    codes: [4001, 1000],
  }),
  new Conversation([{ kind: 'text', data: 'close me' }], { codes: [4002], reason: 'bye' }),
];

/** Says to a client what a step asks for. */
const to = client => step => {
  if (step.kind === 'text') client.sendTextMessage(step.data);
  else if (step.kind === 'binary') client.sendBinaryMessage(step.data);
  else if (step.kind === 'pong') client.sendPing(step.data);
  else client.close(step.code, step.reason);
};

const overChannel = sender => step => {
  if (step.kind === 'text') sender.send(ControlMessage.sendText(step.data));
  else if (step.kind === 'binary') sender.send(ControlMessage.sendBinary(step.data));
  else if (step.kind === 'pong') sender.send(ControlMessage.sendPing(step.data));
  else sender.send(ControlMessage.close(step.code, step.reason));
};

const handlerFor = conversation => ({
  onActivated: client => conversation.next(to(client)),
  onTextMessage: (client, data) => conversation.came('text', data, to(client)),
  onBinaryMessage: (client, data) => conversation.came('binary', Buffer.from(data), to(client)),
  onPong: (client, data) => conversation.came('pong', Buffer.from(data), to(client)),
  onConnectionClosed: (_client, reason, code) => conversation.ended(code, reason),
  onError(_client, error) {
    throw error;
  },
});

async function withChannels(conversation) {
  const client = await S9AsyncNonBlockingWebSocketClient.connect(url, OPTIONS);
  checkExtension(client);
  const thread = client.run();
  const send = overChannel(client.controlTx);
  for await (const event of client.eventRx) {
    if (event.type === 'activated') conversation.next(send);
    else if (event.type === 'textMessage') conversation.came('text', event.data, send);
    else if (event.type === 'binaryMessage') conversation.came('binary', event.data, send);
    else if (event.type === 'pong') conversation.came('pong', event.data, send);
    else if (event.type === 'connectionClosed') conversation.ended(event.code, event.reason);
    else if (event.type === 'error') throw event.error;
  }
  await thread.join();
}

function checkExtension(client) {
  const isAgreed = client.response.extensions.startsWith('permessage-deflate');
  if (isAgreed !== (deflate === 'deflate'))
    throw new Error(`agreed on "${client.response.extensions}"`);
}

const over = (connect, run) => async conversation => {
  const client = await connect(url, OPTIONS);
  checkExtension(client);
  await run(client, handlerFor(conversation));
};

const nonBlocking = (url, options) => S9NonBlockingWebSocketClient.connect(url, options);
const blocking = (url, options) => S9BlockingWebSocketClient.connect(url, options);
const WAYS = {
  'non-blocking run': over(nonBlocking, (client, handler) => client.run(handler)),
  'non-blocking runSync': over(nonBlocking, (client, handler) => client.runSync(handler)),
  'non-blocking thread': over(nonBlocking, (client, handler) =>
    client.run(handler, { on: 'background-thread' }),
  ),
  'blocking run': over(blocking, (client, handler) => client.run(handler)),
  'blocking runSync': over(blocking, (client, handler) => client.runSync(handler)),
  'async channels': withChannels,
};

const wrong = {};
for (const [name, way] of Object.entries(WAYS)) {
  for (const conversation of conversations()) {
    try {
      await way(conversation);
      if (!conversation.isOver) throw new Error('it ended without a Close');
    } catch (error) {
      wrong[name] ??= `${error.code ?? ''} ${error.message}`.trim();
    }
  }
}
console.log(JSON.stringify({ ways: Object.keys(WAYS), wrong }));
