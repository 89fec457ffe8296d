// Every method and getter of a client, called from every callback and after the end: each works or
// throws an error of ours with the right code, and `onQuit` comes once.

import test, { type ExecutionContext } from 'ava';
import { S9WebSocketError } from 's9-websocket';

import { frame, Opcode } from './frames.mjs';
import { ACCEPT, CLOSE_WHEN_ASKED, type Step } from './script.mjs';
import { ScriptedServer } from './scripted-server.mjs';
import { CALLBACK_WAYS, type CallbackClient, type CallbackWay, type Handler } from './ways.mjs';

let server: ScriptedServer;
test.before(async () => {
  server = await ScriptedServer.start();
});
test.after.always(() => server.stop());

const OPEN = [
  'onActivated',
  'onPoll',
  'onIdle',
  'onTextMessage',
  'onBinaryMessage',
  'onPing',
  'onPong',
] as const;
const OVER = ['onConnectionClosed', 'onError', 'onQuit'] as const;
type Callback = (typeof OPEN | typeof OVER)[number];

const MESSAGES = Buffer.concat([
  frame(Opcode.Text, 'text'),
  frame(Opcode.Binary, 'binary'),
  frame(Opcode.Ping, 'ping'),
  frame(Opcode.Pong, 'pong'),
]);
const VIOLATION: Step = { send: frame(3) };

/** A server with which every callback comes, `onError` or `onConnectionClosed` as wanted. */
function stepsFor(callback: Callback): Step[] {
  return [
    ACCEPT,
    { awaits: Opcode.Ping },
    { send: MESSAGES },
    ...(callback === 'onError' ? [{ awaits: Opcode.Binary }, VIOLATION] : CLOSE_WHEN_ASKED),
  ];
}

/** Runs a client that does `act` in one callback, once, and ends when all have come. */
async function ran(
  t: ExecutionContext,
  way: CallbackWay,
  callback: Callback,
  act: (client: CallbackClient) => void,
) {
  const scene = await server.play(stepsFor(callback));
  const client = await way.connect(scene.url, way.blocking ? { readTimeout: 20 } : {});
  const calls: string[] = [];
  let acted = false;
  let ending = false;
  const called = (name: Callback) => (client: CallbackClient) => {
    calls.push(name);
    // A batch of its own behind `activated`: with a thread, `onPoll` comes before each but the first.
    if (name === 'onActivated') client.sendPing(Buffer.from('begin'));
    if (name === callback && !acted) {
      acted = true;
      act(client);
    }
    // Idle after all messages, so that a callback for it has come.
    if (name === 'onIdle' && calls.includes('onPong') && !ending) end(client);
  };
  const end = (client: CallbackClient) => {
    ending = true;
    if (callback === 'onError') client.sendBinaryMessage(Buffer.from('fail me'));
    else client.close();
  };
  const handler = Object.fromEntries([...OPEN, ...OVER].map(name => [name, called(name)]));
  let outcome: { thrown: unknown } | undefined;
  try {
    await way.run(client, handler as Handler);
  } catch (thrown) {
    outcome = { thrown };
  }
  t.true(acted, `${callback} came`);
  t.is(calls.indexOf('onQuit'), calls.length - 1, 'onQuit comes once and last');
  t.is(calls.lastIndexOf('onActivated'), 0, 'onActivated comes once and first');
  return { client, calls, outcome, scene };
}

const data = Buffer.from('data');
const CORKED = ['corked one', 'corked two'];

const SENDS: Record<string, (client: CallbackClient) => unknown> = {
  sendTextMessage: client => client.sendTextMessage('text'),
  sendBinaryMessage: client => client.sendBinaryMessage(data),
  sendPing: client => client.sendPing(data),
  sendPong: client => client.sendPong(),
  cork: client =>
    client.cork(() => {
      for (const text of CORKED) client.sendTextMessage(text);
    }),
};

const SOCKET: Record<string, (client: CallbackClient) => unknown> = {
  localAddress: client => client.socket.localAddress,
  localPort: client => client.socket.localPort > 0,
  remoteAddress: client => client.socket.remoteAddress,
  remotePort: client => client.socket.remotePort > 0,
  fd: client => client.socket.fd >= 0,
  nodelay: client => {
    client.socket.nodelay = true;
    return client.socket.nodelay;
  },
  ttl: client => {
    client.socket.ttl = 32;
    return client.socket.ttl;
  },
};
const SOCKET_RESULTS = {
  localAddress: '127.0.0.1',
  localPort: true,
  remoteAddress: '127.0.0.1',
  remotePort: true,
  fd: true,
  nodelay: true,
  ttl: 32,
};

const RUNS: Record<string, (client: CallbackClient) => unknown> = {
  run: client => client.run({}),
  runSync: client => client.runSync({}),
  poll: client => client.poll({}),
};

const ENDS: Record<string, (client: CallbackClient) => void> = {
  close: client => client.close(),
  close_with_a_reason: client => client.close(4000, 'enough'),
  forceQuit: client => client.forceQuit(),
  dispose: client => client[Symbol.dispose](),
};

type Outcomes = Record<string, unknown>;

/** What each gives back, or the code of what it throws; promises are awaited later. */
function outcomes(
  client: CallbackClient,
  calls: Record<string, (client: CallbackClient) => unknown>,
): Outcomes {
  return Object.fromEntries(
    Object.entries(calls).map(([name, call]) => {
      try {
        const result = call(client);
        return [name, result instanceof Promise ? result.catch(codeOf) : result];
      } catch (error) {
        return [name, codeOf(error)];
      }
    }),
  );
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof S9WebSocketError ? thrown.code : thrown;
}

async function settled(all: Outcomes): Promise<Outcomes> {
  const entries = Object.entries(all).map(async ([name, value]) => [name, await value]);
  return Object.fromEntries(await Promise.all(entries));
}

function allAre(calls: object, outcome: unknown): Outcomes {
  return Object.fromEntries(Object.keys(calls).map(name => [name, outcome]));
}

const IN_USE = 'ERR_S9_SOCKET_UNAVAILABLE';
const CLOSED = 'ERR_S9_CONNECTION_CLOSED';

/** A client whose `onQuit` came: nothing can be sent or run, and whatever ends it is too late. */
async function isOver(t: ExecutionContext, client: CallbackClient) {
  t.deepEqual(outcomes(client, SENDS), allAre(SENDS, CLOSED));
  t.deepEqual(outcomes(client, SOCKET), allAre(SOCKET, IN_USE));
  t.deepEqual(await settled(outcomes(client, RUNS)), { run: CLOSED, runSync: CLOSED, poll: false });
  t.deepEqual(outcomes(client, ENDS), allAre(ENDS, undefined));
  t.is(client.bufferedAmount, 0);
  t.is(client.backlog, 0);
  t.is(client.response.status, 101);
}

for (const [name, way] of Object.entries(CALLBACK_WAYS)) {
  for (const callback of OPEN) {
    test.serial(`${name}_takes_everything_in_${callback}`, async t => {
      let seen: Outcomes = {};
      const { client, calls, outcome, scene } = await ran(t, way, callback, client => {
        seen = {
          ...outcomes(client, { ...SENDS, ...SOCKET, ...RUNS }),
          tls: client.socket.tls,
          bufferedAmount: client.bufferedAmount >= 0,
          receivedAt: client.receivedAt <= performance.now(),
          backlog: client.backlog >= 0,
          response: client.response.status,
        };
      });
      t.is(outcome, undefined);
      t.deepEqual(await settled(seen), {
        ...allAre(SENDS, undefined),
        ...SOCKET_RESULTS,
        ...allAre(RUNS, IN_USE),
        tls: null,
        bufferedAmount: true,
        receivedAt: true,
        backlog: true,
        response: 101,
      });
      t.deepEqual(calls.slice(-2), ['onConnectionClosed', 'onQuit']);
      const { frames } = await scene.report();
      const sent = frames.filter(({ payload }) => payload.toString() !== 'ping');
      t.deepEqual(sent.map(({ opcode, payload }) => `${opcode} ${payload}`).slice(0, -1), [
        '9 begin',
        '1 text',
        '2 data',
        '9 data',
        '10 ',
        ...CORKED.map(text => `1 ${text}`),
      ]);
      await isOver(t, client);
    });

    for (const [what, end] of Object.entries(ENDS)) {
      test.serial(`${name}_ends_by_${what}_in_${callback}`, async t => {
        const { client, calls, outcome, scene } = await ran(t, way, callback, end);
        t.is(outcome, undefined);
        const closes = what.startsWith('close');
        t.is(calls.includes('onConnectionClosed'), closes);
        t.false(calls.includes('onError'));
        const { frames } = await scene.report();
        const sent = frames.filter(({ opcode }) => opcode === Opcode.Close);
        const code = what === 'close_with_a_reason' ? 4000 : 1000;
        t.deepEqual(
          sent.map(({ payload }) => payload.readUInt16BE()),
          what === 'forceQuit' ? [] : [code],
        );
        await isOver(t, client);
      });
    }
  }

  for (const callback of OVER) {
    test.serial(`${name}_is_over_in_${callback}`, async t => {
      let seen: Outcomes = {};
      const { client, outcome } = await ran(t, way, callback, client => {
        seen = outcomes(client, { ...SENDS, ...ENDS });
        // Whether the socket is gone already is no one's business.
        outcomes(client, { ...SOCKET, ...RUNS });
        seen.bufferedAmount = client.bufferedAmount;
        seen.response = client.response.status;
      });
      t.is(outcome, undefined);
      t.deepEqual(seen, {
        ...allAre(SENDS, CLOSED),
        ...allAre(ENDS, undefined),
        bufferedAmount: 0,
        response: 101,
      });
      await isOver(t, client);
    });
  }

  for (const callback of [...OPEN, ...OVER]) {
    test.serial(`${name}_lets_through_what_${callback}_throws`, async t => {
      const mine = new Error('mine');
      const { client, outcome, scene } = await ran(t, way, callback, () => {
        throw mine;
      });
      t.is(outcome?.thrown, mine);
      const { frames } = await scene.report();
      const code = callback === 'onError' ? 1002 : 1000;
      const closes = frames.filter(({ opcode }) => opcode === Opcode.Close);
      t.deepEqual(
        closes.map(({ payload }) => payload.readUInt16BE()),
        [code],
      );
      await isOver(t, client);
    });
  }
}
