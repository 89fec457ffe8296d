// Options: what is refused, naming option, value and range, and that builders and plain objects are
// the same, in all clients. Nothing here connects.

import { createRequire } from 'node:module';
import { runInNewContext } from 'node:vm';

import test from 'ava';
import * as s9 from 's9-websocket';

const { S9NonBlockingWebSocketClient, S9BlockingWebSocketClient } = s9;
const { S9AsyncNonBlockingWebSocketClient, S9WebSocketError } = s9;

/** Where nobody listens; options are refused before anyone is asked. */
const URL_OF_NOBODY = 'ws://127.0.0.1:1';

type Builder = Record<string, (value: unknown) => unknown>;
interface Kind {
  connect(options: object): Promise<unknown>;
  connectSync(options: object): unknown;
  builder(): Builder;
}

function kind(Client: object, Options: new () => object): Kind {
  // Wrong options are wrong types too.
  const { connect, connectSync } = Client as typeof S9NonBlockingWebSocketClient;
  return {
    connect: options => connect.call(Client as never, URL_OF_NOBODY, options),
    connectSync: options => connectSync.call(Client as never, URL_OF_NOBODY, options),
    builder: () => new Options() as Builder,
  };
}

const KINDS: Record<string, Kind> = {
  non_blocking: kind(S9NonBlockingWebSocketClient, s9.NonBlockingOptions),
  blocking: kind(S9BlockingWebSocketClient, s9.BlockingOptions),
  async: kind(S9AsyncNonBlockingWebSocketClient, s9.AsyncNonBlockingOptions),
};

/** Which clients have an option; without an entry, all. */
const ONLY: Record<string, readonly string[]> = {
  reuseBuffers: ['non_blocking', 'blocking'],
  readTimeout: ['blocking'],
  writeTimeout: ['blocking'],
  eventCapacity: ['async'],
  eventCapacityBytes: ['async'],
};

const has = (kindName: string, option: string): boolean => ONLY[option]?.includes(kindName) ?? true;

const NOT_A_NUMBER = ['5', true, {}, [], 5n, Symbol('five'), () => 5];
const NOT_A_DURATION = [0, -1, Number.NaN, Infinity, -Infinity, 86_400_001, ...NOT_A_NUMBER];
const NOT_A_SIZE = [0, -1, 0.5, Number.NaN, Infinity, 2 ** 30 + 1, 2 ** 53, null, ...NOT_A_NUMBER];
const NOT_A_BOOLEAN = [0, 1, 'true', null, {}, []];
const NOT_A_STRING = [5, true, null, {}, [], Symbol('name')];

/** Values that are refused, by option. */
const REFUSED: Record<string, readonly unknown[]> = {
  spinWaitDuration: NOT_A_DURATION,
  connectTimeout: [...NOT_A_DURATION, null],
  closeTimeout: [...NOT_A_DURATION, null],
  readTimeout: NOT_A_DURATION,
  writeTimeout: NOT_A_DURATION,
  keepAlive: [...NOT_A_DURATION, 999, 32_768_000],
  nodelay: NOT_A_BOOLEAN,
  quickAck: NOT_A_BOOLEAN,
  reuseBuffers: NOT_A_BOOLEAN,
  ttl: [0, -1, 1.5, 256, 2 ** 32 + 1, Number.NaN, ...NOT_A_NUMBER],
  busyPoll: [0, -1, 1.5, 1_000_001, 2 ** 32 + 1, Number.NaN, ...NOT_A_NUMBER],
  cpuAffinity: [-1, 0.5, 1024, Number.NaN, ...NOT_A_NUMBER],
  maxMessageSize: NOT_A_SIZE,
  maxFrameSize: NOT_A_SIZE,
  maxBufferedAmount: NOT_A_SIZE,
  receiveBufferSize: NOT_A_SIZE.filter(value => value !== null),
  sendBufferSize: NOT_A_SIZE.filter(value => value !== null),
  eventCapacity: [0, -1, 0.5, Number.NaN, 2 ** 24 + 1, null, ...NOT_A_NUMBER],
  eventCapacityBytes: NOT_A_SIZE,
  textFormat: ['', 'Buffer', 'bytes', ...NOT_A_STRING],
  localAddress: ['', 'localhost', '127.0.0.1:80', '[::1]', ...NOT_A_STRING.slice(0, 2), {}],
  subprotocols: ['feed', [''], ['a b'], ['a', 'a'], ['a,b'], [5], [null], {}, 5, null],
  headers: [
    'X-A: b',
    5,
    null,
    [['X-A']],
    [['X-A', 'b', 'c']],
    ['ab'],
    { 'X-A': 5 },
    { 'X-A': [5] },
    { 'X-A': null },
    { 'X A': 'b' },
    { '': 'b' },
    { 'X-A': 'b\r\nX-C: d' },
    { 'X-A': 'b\0' },
    { Upgrade: 'h2c' },
    { connection: 'close' },
    { 'Sec-WebSocket-Key': 'x' },
    { 'Sec-WebSocket-Version': '12' },
    { 'Sec-WebSocket-Protocol': 'x' },
    { 'Sec-WebSocket-Extensions': 'x' },
    { 'Content-Length': '5' },
    { 'Transfer-Encoding': 'chunked' },
  ],
  tls: [5, 'ca', null, true, []],
  signal: [5, null, {}, 'signal'],
};

/** As above, of the options below `tls`. */
const REFUSED_TLS: Record<string, readonly unknown[]> = {
  ca: [5, null, true, [], [5], [null]],
  cert: [5, null, true, []],
  key: [5, null, true, []],
  pfx: [5, null, true, []],
  passphrase: NOT_A_STRING,
  servername: ['', 'a b', 'größe.example', ...NOT_A_STRING],
  rejectUnauthorized: NOT_A_BOOLEAN,
  minVersion: ['', 'TLSv1.4', 'tlsv1.2', 1.2, null],
  maxVersion: ['', 'TLSv1.4', 'tlsv1.2', 1.2, null],
  alpnProtocols: ['http/1.1', [''], ['x'.repeat(256)], [5], 5, null],
};

/** Of what may be a secret, only the type is told. */
const SECRET = new Set(['tls.ca', 'tls.cert', 'tls.key', 'tls.pfx']);

/** How an error tells a value of a type that it can tell. */
function shownAs(value: unknown): string | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return value === null ? 'null' : undefined;
}

interface Case {
  option: string;
  value: unknown;
  options: Record<string, unknown>;
}

function casesOf(kindName: string): Case[] {
  const whole = Object.entries(REFUSED).flatMap(([option, values]) =>
    values.map(value => ({ option, value, options: { [option]: value } })),
  );
  const tls = Object.entries(REFUSED_TLS).flatMap(([name, values]) =>
    values.map(value => ({ option: `tls.${name}`, value, options: { tls: { [name]: value } } })),
  );
  return [...whole, ...tls].filter(({ option }) => has(kindName, option));
}

for (const [name, { connect, connectSync, builder }] of Object.entries(KINDS)) {
  test(`${name}_refuses_wrong_values_by_name`, async t => {
    for (const { option, value, options } of casesOf(name)) {
      const refusal = {
        instanceOf: S9WebSocketError,
        code: 'ERR_S9_INVALID_CONFIGURATION',
        message: /^invalid .*: .* \(allowed: .+\)$/s,
      };
      const [method, argument] = Object.entries(options)[0] as [string, unknown];
      const given = `${option}: ${typeof value} ${JSON.stringify(value, stringified)}`;
      const errors = [
        t.throws(() => connectSync(options), refusal, `connectSync ${given}`),
        t.throws(() => builder()[method]?.(argument), refusal, `builder ${given}`),
        await t.throwsAsync(() => connect(options), refusal, `connect ${given}`),
      ];
      for (const error of errors) {
        t.true(error?.message.includes(option), `${given} is named: ${error?.message}`);
        const shown = shownAs(value);
        if (shown === undefined || SECRET.has(option)) continue;
        t.true(error?.message.includes(`: ${shown}`), `${given} is shown: ${error?.message}`);
      }
    }
  });

  test(`${name}_refuses_unknown_names`, async t => {
    const unknown = ['maxFramesize', 'MaxFrameSize', 'timeout', 'fallbackRoots', '', '__proto__ '];
    unknown.push(...Object.keys(ONLY).filter(option => !has(name, option)));
    for (const option of unknown) {
      const places = [5, []].flatMap(value => [{ [option]: value }, { tls: { [option]: value } }]);
      for (const options of places) {
        const refusal = { code: 'ERR_S9_INVALID_CONFIGURATION' };
        const sync = t.throws(() => connectSync(options), refusal, option);
        const async = await t.throwsAsync(() => connect(options), refusal, option);
        t.true(sync?.message.includes(option));
        t.is(async?.message, sync?.message);
      }
    }
  });

  test(`${name}_refuses_what_is_no_object_of_options`, async t => {
    for (const options of [5, 'options', true, null, [], () => {}, 5n]) {
      const refusal = { code: 'ERR_S9_INVALID_CONFIGURATION', message: /^invalid options: / };
      t.throws(() => connectSync(options as never), refusal);
      await t.throwsAsync(() => connect(options as never), refusal);
    }
  });
}

/** What JSON does not know, as text. */
function stringified(_: string, value: unknown): unknown {
  return typeof value === 'object' || typeof value === 'string' ? value : String(value);
}

test('tls_options_that_do_not_go_together_are_refused', t => {
  const { connectSync, builder } = KINDS.non_blocking as Kind;
  const refusals: Array<[tls: object, option: string]> = [
    [{ cert: 'x' }, 'tls.cert'],
    [{ key: 'x' }, 'tls.key'],
    [{ cert: 'x', key: 'x', pfx: Buffer.of(1) }, 'tls.pfx'],
    [{ passphrase: 'x' }, 'tls.passphrase'],
    [{ cert: 'x', key: 'x', passphrase: 'x' }, 'tls.passphrase'],
    [{ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' }, 'tls.maxVersion: TLSv1.2 '],
    [{ maxVersion: 'TLSv1.1', minVersion: 'TLSv1.2' }, 'tls.minVersion: TLSv1.2 '],
  ];
  for (const [tls, option] of refusals) {
    for (const given of [() => connectSync({ tls }), () => builder().tls?.(tls)]) {
      const error = t.throws(given, { code: 'ERR_S9_INVALID_CONFIGURATION' });
      t.true(error?.message.startsWith(`invalid ${option}`), error?.message);
    }
  }
});

test('an_error_never_tells_a_secret', t => {
  const { connectSync } = KINDS.non_blocking as Kind;
  const secret = 'hunter2';
  for (const options of [
    { tls: { passphrase: [secret] } },
    { tls: { cert: 'x', key: [secret] } },
    { tls: { cert: 'x', key: secret } },
    { tls: { pfx: Buffer.from(secret), passphrase: secret } },
    { headers: { Authorization: `${secret}\n` } },
    { headers: { Authorization: { secret } } },
  ]) {
    const url = 'wss://127.0.0.1:1';
    const error = t.throws(() => S9NonBlockingWebSocketClient.connectSync(url, options as never));
    t.notRegex(`${error?.message} ${error?.cause}`, new RegExp(secret));
    t.throws(() => connectSync({ ...options, ttl: 0 }));
  }
});

/** A valid value for every option. */
const VALID: Record<string, unknown> = {
  spinWaitDuration: 0.5,
  nodelay: true,
  ttl: 64,
  headers: { 'X-A': ['b', 'c'], 'X-D': 'e' },
  subprotocols: ['v2.feed', 'v1.feed'],
  perMessageDeflate: { level: 6, threshold: 0 },
  connectTimeout: 1,
  closeTimeout: 86_400_000,
  maxMessageSize: 1,
  maxFrameSize: 2 ** 30,
  maxBufferedAmount: 5,
  textFormat: 'buffer',
  reuseBuffers: true,
  localAddress: '::1',
  keepAlive: 1_000,
  receiveBufferSize: 65_536,
  sendBufferSize: 65_536,
  busyPoll: 50,
  quickAck: false,
  cpuAffinity: 0,
  tls: { servername: 'feed.example', alpnProtocols: ['http/1.1'], rejectUnauthorized: true },
  signal: new AbortController().signal,
  readTimeout: 10,
  writeTimeout: null,
  eventCapacity: 1,
  eventCapacityBytes: 1,
};

// Parsed options are internal; where a parser took two forms for different things, all else would.
const { parseOptions } = createRequire(import.meta.url)('../../dist/options.js');

for (const [name, { builder }] of Object.entries(KINDS)) {
  test(`${name}_builder_and_plain_object_are_parsed_alike`, t => {
    const own = Object.entries(VALID).filter(([option]) => has(name, option));
    const plain = Object.fromEntries(own);
    const built = own.reduce(
      (chained, [option, value]) => (chained[option] as Builder[string])(value) as Builder,
      builder(),
    );
    t.deepEqual(parseOptions(built), parseOptions(plain));
    // Every method is an option, so that none is left out above.
    const methods = [builder(), Object.getPrototypeOf(builder())].flatMap(methodsOf);
    t.deepEqual([...new Set(methods)].sort(), Object.keys(plain).sort());
  });
}

/** The public methods of a builder and of the builders it extends. */
function methodsOf(object: object): string[] {
  const names: string[] = [];
  for (let at = object; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    names.push(...Object.getOwnPropertyNames(at));
  }
  return names.filter(name => name !== 'constructor' && name !== 'set');
}

test('a_builder_that_refused_a_value_keeps_the_others', t => {
  const options = new s9.NonBlockingOptions().ttl(64);
  t.throws(() => options.ttl(0));
  t.deepEqual(parseOptions(options), parseOptions({ ttl: 64 }));
});

test('a_builder_keeps_headers_that_can_be_read_only_once', t => {
  const fields = [['X-A', 'b'] as const, ['X-C', 'd'] as const];
  for (const headers of [fields.values(), new Map(fields).entries()]) {
    t.deepEqual(parseOptions(new s9.NonBlockingOptions().headers(headers)).headers, fields);
  }
});

/** Options in a class, as getters; `ttl` is its own. */
class Configured {
  ttl = 64;
  get nodelay() {
    return true;
  }
}

/** What is no plain object, and how an error tells it. */
const NOT_PLAIN: ReadonlyArray<[given: () => object, shown: string]> = [
  [() => new Date(), 'an instance of Date'],
  [() => new Map([['ttl', 64]]), 'an instance of Map'],
  [() => new Configured(), 'an instance of Configured'],
  [() => Object.create({ ttl: 64, nonsense: 1 }), 'an object that inherits from another'],
  [() => Object.create({ signal: AbortSignal.abort() }), 'an object that inherits from another'],
  [
    () => Object.create(Object.assign(Object.create(null), { ttl: 64 })),
    'an object that inherits from another',
  ],
  [() => runInNewContext('new Date()'), 'an instance of Date'],
];

/** Options that are, or have in them, this object. */
const PLACES: Record<string, (given: object) => object> = {
  options: given => given,
  tls: tls => ({ tls }),
  perMessageDeflate: perMessageDeflate => ({ perMessageDeflate }),
  headers: headers => ({ headers }),
};

for (const [name, { connect, connectSync, builder }] of Object.entries(KINDS)) {
  test(`${name}_refuses_what_is_no_plain_object_and_names_it`, async t => {
    for (const [place, optionsOf] of Object.entries(PLACES)) {
      for (const [make, shown] of NOT_PLAIN) {
        const given = make();
        // Pairs, such as those of a Map, are headers.
        if (place === 'headers' && given instanceof Map) continue;
        const refusal = {
          code: 'ERR_S9_INVALID_CONFIGURATION',
          message: new RegExp(`^invalid ${place}: ${shown} \\(allowed: .+\\)$`),
        };
        t.throws(() => connectSync(optionsOf(given)), refusal, `${place}: ${shown}`);
        await t.throwsAsync(() => connect(optionsOf(given)), refusal, `${place}: ${shown}`);
        if (place !== 'options') t.throws(() => builder()[place]?.(given), refusal);
      }
    }
  });

  test(`${name}_takes_plain_objects_of_any_origin`, t => {
    const plain = { ttl: 64, tls: { servername: 'feed.example' } };
    for (const options of [
      Object.assign(Object.create(null), plain),
      runInNewContext(`(${JSON.stringify(plain)})`),
      new Proxy(plain, {}),
      Object.freeze(structuredClone(plain)),
    ]) {
      t.throws(() => connectSync(options), { code: 'ERR_S9_IO' });
      t.like(parseOptions(options).native, plain);
    }
  });

  test(`${name}_takes_nothing_that_all_objects_inherit_for_an_option`, t => {
    const inherited = ['extend', 'signal', ...Object.keys(VALID)];
    const errors: unknown[] = [];
    // Nothing else runs meanwhile.
    for (const option of inherited) {
      Object.defineProperty(Object.prototype, option, {
        value: () => {},
        enumerable: true,
        configurable: true,
      });
    }
    try {
      for (const options of [{}, { ttl: 64, tls: {}, headers: {}, perMessageDeflate: {} }]) {
        try {
          connectSync(options);
        } catch (error) {
          errors.push(error);
        }
      }
      builder().ttl?.(64);
    } catch (error) {
      errors.push(error);
    } finally {
      for (const option of inherited) Reflect.deleteProperty(Object.prototype, option);
    }
    t.deepEqual(
      errors.map(error => (error as s9.S9WebSocketError).code),
      ['ERR_S9_IO', 'ERR_S9_IO'],
      String(errors),
    );
  });
}
