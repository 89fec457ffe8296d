// docs/reference.md says what the package does: every option with its range, every error code.

import test from 'ava';
import {
  AsyncNonBlockingOptions,
  type AsyncNonBlockingOptionsInit,
  BlockingOptions,
  type BlockingOptionsInit,
  NonBlockingOptions,
  type PerMessageDeflateOptions,
  type S9WebSocketErrorCode,
  type TlsOptions,
} from 's9-websocket';

import { tableRows } from './markdown.mjs';
import { methodsOf, nameOf, names, PAGE } from './reference.mjs';

/** Records of `true`: the compiler refuses a name too many and one too few. */
const OPTIONS: Record<keyof (BlockingOptionsInit & AsyncNonBlockingOptionsInit), true> = {
  spinWaitDuration: true,
  nodelay: true,
  ttl: true,
  headers: true,
  subprotocols: true,
  perMessageDeflate: true,
  connectTimeout: true,
  closeTimeout: true,
  maxMessageSize: true,
  maxFrameSize: true,
  maxBufferedAmount: true,
  textFormat: true,
  reuseBuffers: true,
  localAddress: true,
  keepAlive: true,
  receiveBufferSize: true,
  sendBufferSize: true,
  busyPoll: true,
  quickAck: true,
  cpuAffinity: true,
  tls: true,
  signal: true,
  readTimeout: true,
  writeTimeout: true,
  eventCapacity: true,
  eventCapacityBytes: true,
};

const TLS_OPTIONS: Record<keyof TlsOptions, true> = {
  ca: true,
  cert: true,
  key: true,
  pfx: true,
  passphrase: true,
  servername: true,
  rejectUnauthorized: true,
  minVersion: true,
  maxVersion: true,
  alpnProtocols: true,
};

const COMPRESSION_OPTIONS: Record<keyof PerMessageDeflateOptions, true> = {
  level: true,
  threshold: true,
  memLevel: true,
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: true,
  clientMaxWindowBits: true,
};

const ERROR_CODES: Record<S9WebSocketErrorCode, true> = {
  ERR_S9_INVALID_URI: true,
  ERR_S9_INVALID_CONFIGURATION: true,
  ERR_S9_CONNECTION_CLOSED: true,
  ERR_S9_SOCKET_UNAVAILABLE: true,
  ERR_S9_IO: true,
  ERR_S9_TIMEOUT: true,
  ERR_S9_TLS: true,
  ERR_S9_HANDSHAKE: true,
  ERR_S9_PROTOCOL: true,
  ERR_S9_INVALID_UTF8: true,
  ERR_S9_MESSAGE_TOO_LARGE: true,
  ERR_S9_WRITE_BUFFER_FULL: true,
  ERR_S9_CHANNEL_DISCONNECTED: true,
};

const BUILDERS = {
  'non-blocking': NonBlockingOptions,
  blocking: BlockingOptions,
  async: AsyncNonBlockingOptions,
};

type Builder = Record<string, (value: unknown) => unknown>;

test('every_option_has_a_row_and_every_row_an_option', t => {
  t.deepEqual(names('option').sort(), Object.keys(OPTIONS).sort());
  t.deepEqual(names('tls option').sort(), Object.keys(TLS_OPTIONS).sort());
  t.deepEqual(names('compression option').sort(), Object.keys(COMPRESSION_OPTIONS).sort());
});

test('the_clients_of_a_row_are_those_whose_builder_has_the_method', t => {
  const rows = tableRows(PAGE, 'option');
  for (const [client, Builder] of Object.entries(BUILDERS)) {
    const documented = rows.filter(({ client: whose = '' }) =>
      whose.startsWith('all') ? whose !== `all but ${client}` : whose === client,
    );
    t.deepEqual(documented.map(row => nameOf(row, 'option')).sort(), methodsOf(Builder), client);
  }
});

test('the_range_of_a_row_is_accepted_and_nothing_outside_of_it', t => {
  const UNITS: Record<string, number> = { MiB: 2 ** 20, GiB: 2 ** 30 };
  const number = (cell: string) => {
    const [digits = '', unit] = cell.replaceAll(',', '').split(' ');
    return Number(digits) * (unit ? (UNITS[unit] ?? Number.NaN) : 1);
  };
  let checked = 0;
  for (const row of tableRows(PAGE, 'option').filter(({ most }) => most !== '')) {
    const name = nameOf(row, 'option');
    const Builder = row.client === 'all' ? NonBlockingOptions : BUILDERS[row.client as 'async'];
    const give = (value: unknown) => (new Builder() as unknown as Builder)[name]!(value);
    const most = number(row.most!);
    const isOpen = row.least!.startsWith('> ');
    const least = number(row.least!.replace('> ', ''));
    t.false(Number.isNaN(most + least), `${name} has a range of numbers`);
    t.notThrows(() => give(most), `${name}: ${most}`);
    t.notThrows(() => give(isOpen ? least + 0.001 : least), `${name}: ${least}`);
    for (const value of [most + 1, isOpen ? least : least - 1, Number.NaN, 'x']) {
      const error = t.throws(() => give(value), { code: 'ERR_S9_INVALID_CONFIGURATION' });
      t.true(error?.message.includes(name), error?.message);
    }
    if (row.unit!.includes('null')) t.notThrows(() => give(null), `${name}: null`);
    checked++;
  }
  t.true(checked > 10);
});

test('every_error_code_has_a_row_and_every_row_a_code', t => {
  t.deepEqual(names('code').sort(), Object.keys(ERROR_CODES).sort());
  const inDepth = tableRows('docs/errors.md', 'error').map(row => nameOf(row, 'error'));
  t.deepEqual(inDepth.sort(), Object.keys(ERROR_CODES).sort());
});
