// What is measured, with whom.

/** A client to measure: the module that opens it, its name there, and the program that runs it. */
const s9 = way => ({ name: `s9 ${way}`, module: 's9', way: `s9 ${way}`, runtime: 'node' });
const ws = { name: 'ws', module: 'ws', way: 'ws', runtime: 'node' };
const undici = { name: 'undici', module: 'web', way: 'undici', runtime: 'node' };
const bun = { name: 'Bun', module: 'web', way: 'Bun', runtime: 'bun' };
const deno = { name: 'Deno', module: 'web', way: 'Deno', runtime: 'deno' };
const nobody = { name: 'no client', module: 'nobody', way: 'nobody', runtime: 'node' };
const floor = wait => ({
  name: `floor, ${wait === 'spin' ? 'spinning' : 'blocking'}`,
  floor: wait,
});

const PEERS = [ws, undici, bun, deno];
/** Ways that leave the second processor to the server, which spins. */
const ONE_THREAD = ['runSync', 'run', 'run, waiting', 'blocking runSync'].map(s9);
/** Ways with a Rust thread that sleeps: it and JavaScript take turns on one processor. */
const SLEEPING_THREAD = ['thread', 'blocking run', 'async'].map(s9);
/** For bytes: what their memory costs. */
const REUSING = ['run, reuseBuffers', 'thread, reuseBuffers'].map(s9);
const SPINNING_THREAD = ['thread, spinning', 'async, spinning'].map(s9);

const SCHEMES = ['ws', 'wss'];
const size = bytes => (bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`);

function* rtt(schemes = SCHEMES) {
  for (const scheme of schemes) {
    for (const bytes of [64, 1024, 16 << 10, 64 << 10]) {
      yield {
        title: `round trip, ${size(bytes)} text, ${scheme}://`,
        unit: 'µs',
        reference: ['ws', 'floor, spinning', 'floor, blocking'],
        path: `${scheme}/echo?wait=spin`,
        task: { measure: 'rtt', size: bytes },
        contenders: [floor('spin'), floor('block'), ...ONE_THREAD, ...SLEEPING_THREAD, ...PEERS],
      };
    }
  }
  if (!schemes.includes('ws')) return;
  // A spinning thread needs a processor of its own. With two, JavaScript and a server that sleeps
  // share the other; the peers are measured under the same conditions.
  yield {
    title: 'round trip, 64 B text, ws://, client on both processors, server sleeping',
    unit: 'µs',
    reference: ['ws'],
    path: 'ws/echo?wait=block',
    bothProcessors: true,
    task: { measure: 'rtt', size: 64, cpuAffinity: 1 },
    contenders: [...SPINNING_THREAD, ...SLEEPING_THREAD, ...PEERS],
  };
}

function* receive(schemes = SCHEMES) {
  for (const scheme of schemes) {
    for (const kind of ['text', 'utf8', 'binary']) {
      for (const bytes of [64, 1024, 16 << 10]) {
        const what = { text: 'ASCII text', utf8: 'text with €', binary: 'binary' }[kind];
        yield {
          title: `receive, ${size(bytes)} ${what}, ${scheme}://`,
          reference: ['ws', 'Bun', 'floor, spinning'],
          path: `${scheme}/flood?wait=spin&size=${bytes}&kind=${kind}`,
          task: { measure: 'receive', size: bytes, kind },
          // What spins is busy while it waits for the server too: processor time is the blocking one's.
          contenders: [
            floor('spin'),
            floor('block'),
            ...ONE_THREAD,
            ...SLEEPING_THREAD,
            ...(kind === 'binary' ? REUSING : []),
            s9('async, drained'),
            ...PEERS,
          ],
        };
      }
    }
  }
  if (!schemes.includes('ws')) return;
  // The same conditions as for round trips: the server takes what the client leaves of one of the two.
  for (const bytes of [64, 1024, 16 << 10]) {
    yield {
      title: `receive, ${size(bytes)} binary, ws://, client on both processors, server sleeping`,
      reference: ['ws', 'Bun'],
      path: `ws/flood?wait=block&size=${bytes}&kind=binary`,
      bothProcessors: true,
      task: { measure: 'receive', size: bytes, kind: 'binary', cpuAffinity: 1 },
      contenders: [...SPINNING_THREAD, ...SLEEPING_THREAD, ...PEERS],
    };
  }
}

function* send() {
  for (const corked of [false, true]) {
    yield {
      title: `send, 64 B text${corked ? ', corked' : ', one by one'}, ws://`,
      reference: ['ws', 'Bun'],
      path: 'ws/sink?wait=spin',
      task: { measure: 'send', size: 64, batch: 1000, corked },
      contenders: [...ONE_THREAD, ...SLEEPING_THREAD, ws, undici, bun, deno],
    };
  }
}

function* busy() {
  yield {
    title: 'delay of pongs while JavaScript is busy for 50 ms at a time, ws://',
    unit: 'µs',
    reference: ['ws'],
    path: 'ws/pings?wait=spin&every=1000',
    task: { measure: 'busy' },
    longer: 4,
    contenders: [...SLEEPING_THREAD, ...PEERS],
  };
}

function* feed() {
  yield {
    title: 'market data in bursts: from the send to the parsed message, ws://',
    unit: 'µs',
    reference: ['ws'],
    path: 'ws/feed?wait=spin',
    task: { measure: 'feed', seed: 1 },
    longer: 4,
    contenders: [...ONE_THREAD, ...SLEEPING_THREAD, ...PEERS],
  };
}

/** What else lives on the event loop while a client makes one round trip after another. */
function* beside() {
  const loops = {
    interval: 'setInterval of 1 ms: from tick to tick',
    promises: '`await setTimeout(1)` in a loop: each',
  };
  for (const [loop, what] of Object.entries(loops)) {
    yield {
      title: `${what}, beside round trips of 64 B, ws://`,
      unit: 'µs',
      reference: ['no client'],
      path: 'ws/echo?wait=spin',
      task: { measure: 'beside', loop, size: 64 },
      longer: 4,
      contenders: [nobody, ...['run', 'run, waiting'].map(s9), ws, undici],
    };
  }
}

/** What an option costs and gains, with the way to run a client that has least else to do. */
function* options() {
  const changed = {
    quickAck: { quickAck: true },
    'busyPoll 50': { busyPoll: 50 },
    'no nodelay': { nodelay: false },
    "textFormat 'buffer'": { textFormat: 'buffer' },
  };
  const contenders = Object.entries({ 'as it is': {}, ...changed }).map(([name, options]) => ({
    ...s9('runSync'),
    name,
    options,
  }));
  const reference = ['as it is'];
  yield {
    title: 'round trip, 64 B text, ws://, runSync, by option',
    unit: 'µs',
    reference,
    path: 'ws/echo?wait=spin',
    task: { measure: 'rtt', size: 64 },
    contenders,
  };
  for (const bytes of [64, 16 << 10]) {
    yield {
      title: `receive, ${size(bytes)} text, ws://, runSync, by option`,
      reference,
      path: `ws/flood?wait=spin&size=${bytes}&kind=text`,
      task: { measure: 'receive', size: bytes, kind: 'text' },
      contenders,
    };
  }
}

function* deflate() {
  const contenders = [...['runSync', 'run', 'async'].map(s9), ws, undici, bun];
  for (const takeover of [false, true]) {
    const context = takeover ? 'context taken over' : 'each by itself';
    const query = `wait=spin&deflate=${takeover ? 'takeover' : 'single'}`;
    for (const bytes of [150, 1024, 16 << 10]) {
      yield {
        title: `receive, ${size(bytes)} compressed JSON, ${context}, ws://`,
        reference: ['ws', 'Bun'],
        path: `ws/flood?${query}`,
        frames: { size: bytes, takeover },
        task: { measure: 'receive', size: bytes, kind: 'text', deflate: true },
        contenders,
      };
    }
    yield {
      title: `round trip, 2 KiB compressed JSON, ${context}, ws://`,
      unit: 'µs',
      reference: ['ws', 'Bun'],
      path: `ws/echo?${query}`,
      frames: { size: 2048, takeover },
      task: { measure: 'rtt', size: 2048, deflate: true },
      contenders,
    };
    yield {
      title: `send, 1 KiB compressed JSON, ${context}, ws://`,
      reference: ['ws', 'Bun'],
      path: `ws/sink?${query}`,
      task: { measure: 'send', size: 1024, batch: 1000, deflate: true },
      contenders,
    };
  }
}

/** The scenarios by the name that the command line gives them. */
export const SCENARIOS = {
  rtt,
  receive,
  send,
  busy,
  feed,
  beside,
  options,
  deflate,
  *tls() {
    yield* rtt(['wss']);
    yield* receive(['wss']);
  },
};

/** What `npm run bench` measures without a name. */
export const ALL = ['rtt', 'receive', 'send', 'busy', 'feed', 'beside', 'options', 'deflate'];
