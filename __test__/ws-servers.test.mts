// Clients against servers that no one here wrote: `ws` on Node's `http` and `https`.

import test from 'ava';
import {
  AsyncNonBlockingOptions,
  type NonBlockingOptionsInit,
  S9AsyncNonBlockingWebSocketClient,
  S9BlockingWebSocketClient,
  S9NonBlockingWebSocketClient,
} from 's9-websocket';

import { ServerProcess } from './server-process.mjs';
import { type Options, observed, told, WAYS, type Way } from './ways.mjs';
import type { Answers, Upgrade } from './ws-server-main.mjs';

let server: ServerProcess<Answers>;
let listening: Answers['listening'];
test.before(async () => {
  server = new ServerProcess('ws-server-main.mjs');
  listening = await server.answer('listening');
});
test.after.always(() => server.stop());

let lastId = 0;

/** Where to connect, and the end of that connection as the server sees it. */
function place(tls: boolean) {
  const id = ++lastId;
  const { ports, ca } = listening;
  const closed = server.answer('closed', id);
  closed.catch(() => {});
  return {
    url: tls ? `wss://127.0.0.1:${ports.tls}/${id}` : `ws://127.0.0.1:${ports.plain}/${id}`,
    options: (tls ? { tls: { ca } } : {}) as Options,
    closed,
  };
}

const SIZES = [1, 125, 126, 65_535, 65_536, 1 << 20, 8 << 20];

for (const tls of [false, true]) {
  for (const [name, way] of Object.entries(WAYS)) {
    const title = `${name}_${tls ? 'over_tls' : 'plain'}`;

    test.serial(`${title}_gets_every_size_back`, async t => {
      const { url, options } = place(tls);
      const texts = SIZES.map(size => 'é'.repeat(size >> 1) + '-'.repeat(size & 1));
      const blobs = SIZES.map((size, index) => Buffer.alloc(size, index + 1));
      const received: Array<string | Buffer> = [];
      await observed(t, way, url, options, (event, speaker) => {
        if (event.type === 'activated') {
          for (const text of texts) speaker.text(text);
          for (const blob of blobs) speaker.binary(blob);
        }
        if (!('data' in event)) return;
        if (received.push(event.data) === 2 * SIZES.length) speaker.close();
      });
      // Not deepEqual: it would print megabytes.
      t.is(received.length, 2 * SIZES.length);
      t.true(texts.every((text, index) => received[index] === text));
      t.true(blobs.every((blob, index) => blob.equals(received[SIZES.length + index] as Buffer)));
    });

    test.serial(`${title}_pings_and_is_pinged`, async t => {
      const { url, options } = place(tls);
      const events = await observed(t, way, url, options, (event, speaker) => {
        if (event.type === 'activated') speaker.ping(Buffer.from('and you?'));
        if (event.type === 'pong') speaker.text('ping me');
        if (event.type === 'textMessage') speaker.close();
      });
      t.deepEqual(told(events), [
        'activated',
        'pong and you?',
        'ping are you there?',
        'text pong are you there?',
        'closed 1000 null',
        'quit',
      ]);
    });

    test.serial(`${title}_closes_with_code_and_reason`, async t => {
      const { url, options, closed } = place(tls);
      const events = await observed(t, way, url, options, (event, speaker) => {
        if (event.type === 'activated') speaker.close(4001, 'genug für heute');
      });
      t.deepEqual(told(events), ['activated', 'closed 4001 genug für heute', 'quit']);
      t.like(await closed, { code: 4001, reason: 'genug für heute' });
    });

    test.serial(`${title}_is_closed_with_code_and_reason`, async t => {
      const { url, options, closed } = place(tls);
      const events = await observed(t, way, url, options, (event, speaker) => {
        if (event.type === 'activated') speaker.text('close me');
      });
      t.deepEqual(told(events), ['activated', 'closed 4003 as you wish', 'quit']);
      t.is((await closed).code, 4003);
    });
  }
}

async function upgradeSeen(way: Way, url: string, options: Options): Promise<Upgrade> {
  let upgrade: Upgrade | undefined;
  await way.run(url, options, (event, speaker) => {
    if (event.type === 'activated') speaker.text('upgrade');
    if (event.type !== 'textMessage') return;
    upgrade = JSON.parse(event.data);
    speaker.close();
  });
  return upgrade as Upgrade;
}

for (const [name, way] of Object.entries(WAYS)) {
  test.serial(`${name}_sends_headers_query_and_authorization`, async t => {
    const { url } = place(false);
    const headers = { 'X-Api-Key': 'k€y', Cookie: ['a=1', 'b=2'] };
    const withUser = `${url.replace('//', '//j%C3%BCrgen:p%40ss@')}/feed?x=1&y=%20`;
    const upgrade = await upgradeSeen(way, withUser, { headers });
    t.is(upgrade.path, `${new URL(url).pathname}/feed?x=1&y=%20`);
    t.is(Buffer.from(upgrade.headers['x-api-key']!, 'latin1').toString(), 'k€y');
    t.is(upgrade.headers.cookie, 'a=1; b=2');
    const credentials = Buffer.from('jürgen:p@ss').toString('base64');
    t.is(upgrade.headers.authorization, `Basic ${credentials}`);
    t.is(upgrade.client, null);
  });

  test.serial(`${name}_shows_its_certificate_where_one_is_asked_for`, async t => {
    const { ports, ca, client } = listening;
    const url = `wss://localhost:${ports.certified}/0`;
    const upgrade = await upgradeSeen(way, url, { tls: { ca, ...client } });
    t.is(upgrade.client, 'a trusted client');
  });

  test.serial(`${name}_fails_without_a_certificate_where_one_is_required`, async t => {
    const { ports, ca } = listening;
    const url = `wss://localhost:${ports.certified}/0`;
    const running = way.run(url, { tls: { ca } }, () => {});
    await t.throwsAsync(running, { code: 'ERR_S9_TLS' });
  });

  test.serial(`${name}_trusts_no_certificate_of_unknown_origin`, async t => {
    const running = way.run(`wss://127.0.0.1:${listening.ports.tls}/0`, {}, () => {});
    await t.throwsAsync(running, { code: 'ERR_S9_TLS' });
  });
}

/** All the ways to connect, with one header that is given beside the options. */
const CONNECTS = Object.fromEntries(
  [
    S9NonBlockingWebSocketClient,
    S9BlockingWebSocketClient,
    S9AsyncNonBlockingWebSocketClient,
  ].flatMap(Client => {
    const headers = { Origin: 'https://example.com' };
    type Connected = {
      response: S9NonBlockingWebSocketClient['response'];
      [Symbol.dispose](): void;
    };
    type Connect = (url: URL, options: NonBlockingOptionsInit) => Promise<Connected>;
    const connects: Array<[string, Connect]> = [
      [`${Client.name}_connect`, (url, options) => Client.connect(url, options)],
      [`${Client.name}_connectSync`, async (url, options) => Client.connectSync(url, options)],
      [
        `${Client.name}_connectWithHeaders`,
        (url, options) => Client.connectWithHeaders(url, headers, options),
      ],
      [
        `${Client.name}_connectWithHeadersSync`,
        async (url, options) => Client.connectWithHeadersSync(url, headers, options),
      ],
    ];
    return connects;
  }),
);

for (const [name, connect] of Object.entries(CONNECTS)) {
  for (const tls of [false, true]) {
    test.serial(`${name}_${tls ? 'over_tls' : 'plain'}_agrees_on_a_subprotocol`, async t => {
      const { url, options, closed } = place(tls);
      const subprotocols = ['v3.feed', 'v2.feed'];
      const client = await connect(new URL(url), { ...options, subprotocols });
      t.is(client.response.status, 101);
      t.is(client.response.subprotocol, 'v2.feed');
      t.is(client.response.headers.upgrade, 'websocket');
      client[Symbol.dispose]();
      t.is((await closed).code, 1000);
    });
  }
}

test('headers_given_to_connect_take_the_place_of_those_of_the_options', async t => {
  const { url } = place(false);
  const options = new AsyncNonBlockingOptions().headers({ Origin: 'http://a', 'X-Kept': 'yes' });
  const client = await S9AsyncNonBlockingWebSocketClient.connectWithHeaders(
    url,
    { Origin: 'http://b' },
    options,
  );
  const thread = client.run();
  client.controlTx.send({ type: 'sendText', text: 'upgrade' });
  for await (const event of client.eventRx) {
    if (event.type !== 'textMessage') continue;
    const { headers } = JSON.parse(event.data) as Upgrade;
    t.is(headers.origin, 'http://b');
    t.is(headers['x-kept'], 'yes');
    client.controlTx.send({ type: 'close' });
  }
  await thread.join();
});
