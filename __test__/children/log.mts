// A client in a process that logs. Arguments: a case, the URL of an echo server.

import { once } from 'node:events';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

import { type LogRecord, S9NonBlockingWebSocketClient, setLogger } from 's9-websocket';

// Records that nobody takes are seen nowhere else.
const { takeLogRecords } = createRequire(import.meta.url)('../../../native/index.js');

const [how = '', url = ''] = process.argv.slice(2);

/** Connects, has a message echoed, and closes. */
async function echoOne(): Promise<void> {
  const client = await S9NonBlockingWebSocketClient.connect(url, { spinWaitDuration: 1_000 });
  await client.run({
    onActivated: () => client.sendTextMessage('hello'),
    onTextMessage: () => client.close(4001, 'done'),
  });
}

/** Until the records that are on their way have been delivered. */
async function settled(records: LogRecord[], last: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (records.at(-1)?.message !== last && performance.now() < deadline) {
    await new Promise(setImmediate);
  }
}

/** A worker with a logger that posts its records. */
async function loggingWorker(): Promise<Worker> {
  const worker = new Worker(
    `const { parentPort } = require('node:worker_threads');
    require('s9-websocket').setLogger('debug', record => parentPort.postMessage(record));
    parentPort.on('message', () => {});
    parentPort.postMessage('ready');`,
    { eval: true },
  );
  await once(worker, 'message');
  return worker;
}

const print = (value: unknown) => console.log(JSON.stringify(value));

const CASES: Record<string, () => Promise<void>> = {
  stderr: echoOne,
  async done() {
    await echoOne();
    const client = await S9NonBlockingWebSocketClient.connect(url, { spinWaitDuration: 1_000 });
    const onActivated = () => client.close();
    await client.run({ onActivated }, { on: 'background-thread' });
    print('done');
  },
  async refused() {
    await S9NonBlockingWebSocketClient.connect(url).catch(() => {});
  },
  /** The levels in turn: what each lets through. */
  async levels() {
    const records: LogRecord[] = [];
    for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const) {
      records.length = 0;
      setLogger(level, record => records.push(record));
      await echoOne();
      if (level === 'trace' || level === 'debug') await settled(records, 'connection quit');
      else for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      print({ level, records });
    }
    records.length = 0;
    setLogger('off');
    await echoOne();
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    print({ level: 'off', records });
  },
  async throwing() {
    const records: LogRecord[] = [];
    const uncaught: unknown[] = [];
    process.on('uncaughtException', error => uncaught.push(error));
    setLogger('trace', record => {
      records.push(record);
      throw record.message;
    });
    await echoOne();
    await settled(records, 'connection quit');
    while (uncaught.length < records.length) await new Promise(setImmediate);
    print({ messages: records.map(record => record.message), uncaught });
  },
  /** The logger is in a worker thread, the client here; then the worker ends. */
  async from_worker() {
    const worker = await loggingWorker();
    const records: LogRecord[] = [];
    worker.on('message', record => records.push(record));
    await echoOne();
    await settled(records, 'connection quit');
    await worker.terminate();
    print({ messages: records.map(record => record.message) });
    // Nobody listens any more, and nobody minds.
    await echoOne();
    const own: LogRecord[] = [];
    setLogger('debug', record => own.push(record));
    await echoOne();
    await settled(own, 'connection quit');
    print({ messages: own.map(record => record.message) });
  },
  /** The logger is replaced while it is about to be called. */
  async replaced() {
    const [former, latter]: [LogRecord[], LogRecord[]] = [[], []];
    const client = await S9NonBlockingWebSocketClient.connect(url, { spinWaitDuration: 1_000 });
    setLogger('trace', record => former.push(record));
    client.sendTextMessage('one');
    setLogger('trace', record => latter.push(record));
    client.sendTextMessage('three');
    await settled(latter, 'sending');
    client.forceQuit();
    const fields = (records: LogRecord[]) => records.map(record => record.fields);
    print({ former: fields(former), latter: fields(latter) });
  },
  /** The worker whose logger counted is gone. */
  async collected() {
    const worker = await loggingWorker();
    await worker.terminate();
    await echoOne();
    // The first logger of the process was the worker's.
    print(takeLogRecords(1));
  },
  /** The worker that goes had its logger replaced. */
  async worker_replaced() {
    const worker = await loggingWorker();
    const records: LogRecord[] = [];
    setLogger('debug', record => records.push(record));
    await worker.terminate();
    await echoOne();
    await settled(records, 'connection quit');
    print({ messages: records.map(record => record.message) });
  },
};

await CASES[how]?.();
