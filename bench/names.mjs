// What the documentation calls that which is measured, in tables and charts.

/** In Markdown. */
export const NAMES = {
  'floor, spinning': 'floor, spinning',
  'floor, blocking': 'floor, blocking',
  's9 runSync': 'non-blocking, `runSync`',
  's9 run': 'non-blocking, `run`',
  's9 run, waiting': 'non-blocking, `run`, waiting',
  's9 run, reuseBuffers': 'non-blocking, `run`, `reuseBuffers`',
  's9 blocking runSync': 'blocking, `runSync`',
  's9 thread': 'non-blocking, on a Rust thread',
  's9 thread, spinning': 'non-blocking, on a Rust thread, spinning',
  's9 thread, reuseBuffers': 'non-blocking, on a Rust thread, `reuseBuffers`',
  's9 blocking run': 'blocking, `run`',
  's9 async': 'async',
  's9 async, spinning': 'async, spinning',
  's9 async, drained': 'async, `drain(256)`',
  ws: '`ws`',
  undici: 'undici',
  Bun: 'Bun',
  Deno: 'Deno',
};
