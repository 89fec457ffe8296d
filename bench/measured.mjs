// Runs in a process of its own, in the runtime that is measured: one client, one thing measured.
// The task comes as JSON in the first argument; the result goes to standard output as JSON.

import { readFileSync } from 'node:fs';

import { trades } from './deflated.mjs';
import { median } from './statistics.mjs';

const task = JSON.parse(process.argv[2]);
const { ways } = await import(`./clients/${task.module}.mjs`);
const options = { ...task.options };
if (task.ca) options.tls = { ca: readFileSync(task.ca, 'utf8') };
if (task.cpuAffinity !== undefined && task.module === 's9') options.cpuAffinity = task.cpuAffinity;
// undici and Bun offer it unasked.
if (task.deflate) options.perMessageDeflate = { threshold: 0 };
let finish;
/** A client that is told to end while messages flood in may take for ever: nobody waits for it. */
const finished = new Promise(resolve => {
  finish = resolve;
});
const open = (url, face) => Promise.race([ways[task.way](url, options, face), finished]);
const now = () => performance.now();

/** Processor time so far, in microseconds. */
function processorTime() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Each calls `tick(since, now)` about once a millisecond, until that returns false. */
const LOOPS = {
  interval(tick) {
    let last = now();
    const timer = setInterval(() => {
      const at = now();
      if (!tick(last, at)) clearInterval(timer);
      last = at;
    }, 1);
  },
  async promises(tick) {
    for (let since = now(), goesOn = true; goesOn; ) {
      await new Promise(resolve => setTimeout(resolve, 1));
      const at = now();
      goesOn = tick(since, at);
      since = at;
    }
  },
};

const MEASUREMENTS = {
  /** Round trips, one at a time, in microseconds. */
  async rtt({ url, size, deflate, warmUp, milliseconds }) {
    const payload = deflate ? trades(size, 0) : 'x'.repeat(size);
    const times = new Float64Array(2_000_000);
    let count = 0;
    let end;
    let sentAt = 0;
    let warmUntil = 0;
    let until = 0;
    let cpu = 0;
    await open(url, {
      onOpen(opened) {
        end = opened;
        warmUntil = now() + warmUp;
        sentAt = now();
        end.send(payload);
      },
      onMessage(data) {
        const at = now();
        if (data.length !== size) throw new Error(`${data.length} characters came back`);
        if (until > 0) times[count++] = (at - sentAt) * 1000;
        else if (at > warmUntil) {
          until = at + milliseconds;
          cpu = processorTime();
        }
        if (until > 0 && (at >= until || count === times.length)) {
          cpu = processorTime() - cpu;
          end.close();
          return;
        }
        sentAt = now();
        end.send(payload);
      },
    });
    return { times: Array.from(times.subarray(0, count), rounded), cpu, messages: count };
  },

  /** Messages a second, as fast as they come. */
  async receive({ url, size, kind, warmUp, milliseconds }) {
    const length = kind === 'binary' ? data => data.byteLength : data => data.length;
    // The clock is read once in a while: it costs as much as a small message does.
    const step = Math.max(1, Math.min(256, (1 << 18) / size));
    let expected = 0;
    let messages = 0;
    let checkAt = step;
    let start = 0;
    let cpu;
    let end;
    let result;
    await open(url, {
      onOpen(opened) {
        end = opened;
        start = now();
      },
      onMessage(data) {
        if (expected === 0) expected = length(data);
        if (length(data) !== expected) throw new Error(`a message of ${length(data)} came`);
        if (++messages < checkAt || result) return;
        checkAt = messages + step;
        const elapsed = now() - start;
        if (cpu === undefined) {
          if (elapsed < warmUp) return;
          messages = 0;
          checkAt = step;
          cpu = processorTime();
          start = now();
        } else if (elapsed >= milliseconds) {
          cpu = processorTime() - cpu;
          result = {
            perSecond: messages / (elapsed / 1000),
            megabytesPerSecond: (messages * size) / elapsed / 1000,
            cpuPerMessage: cpu / messages,
          };
          end.terminate();
          finish();
        }
      },
    });
    return result;
  },

  /** Messages a second, from the first send of a batch until the server has counted the last. */
  async send({ url, size, deflate, batch, corked, warmUp, milliseconds }) {
    const payloads = Array.from({ length: batch }, (_, index) =>
      deflate ? trades(size, index) : 'x'.repeat(size),
    );
    const times = [];
    let bytesSent = 0;
    let start = 0;
    let warmUntil = 0;
    let cpu = 0;
    let end;
    const sendAll = () => {
      for (const payload of payloads) end.send(payload);
    };
    const sendBatch = () => {
      start = now();
      if (corked) end.cork(sendAll);
      else sendAll();
    };
    await open(`${url}&count=${batch}`, {
      onOpen(opened) {
        end = opened;
        warmUntil = now() + warmUp;
        sendBatch();
      },
      onMessage(bytes) {
        const at = now();
        bytesSent = Number(bytes);
        if (at < warmUntil) cpu = processorTime();
        else times.push(at - start);
        if (at < warmUntil + milliseconds) sendBatch();
        else {
          cpu = processorTime() - cpu;
          end.terminate();
          finish();
        }
      },
    });
    return {
      perSecond: batch / (median(times) / 1000),
      cpuPerMessage: cpu / (batch * times.length),
      bytesSent,
    };
  },

  /** Delay of pongs, seen by the server, while JavaScript is busy for 50 ms at a time. */
  async busy({ url, milliseconds }) {
    let end;
    let delays;
    let timer;
    await open(`${url}&milliseconds=${milliseconds}`, {
      onOpen(opened) {
        end = opened;
        timer = setInterval(() => {
          const until = now() + 50;
          while (now() < until);
        }, 55);
      },
      onMessage(text) {
        clearInterval(timer);
        delays = JSON.parse(text);
        end.terminate();
        finish();
      },
    });
    return { times: delays };
  },

  /** Punctuality of timers, in microseconds, while one round trip follows another. */
  async beside({ url, loop, size, warmUp, milliseconds }) {
    const payload = 'x'.repeat(size);
    const times = [];
    let end;
    await open(url, {
      onOpen(opened) {
        end = opened;
        end.send(payload);
        const warmUntil = now() + warmUp;
        const tick = (since, at) => {
          if (since > warmUntil) times.push(rounded((at - since) * 1000));
          if (at < warmUntil + milliseconds) return true;
          end.terminate();
          finish();
          return false;
        };
        LOOPS[loop](tick);
      },
      onMessage() {
        end.send(payload);
      },
    });
    return { times };
  },

  /** Delay from the server's send to the parsed message, in microseconds. */
  async feed({ url, milliseconds, seed }) {
    const times = [];
    let end;
    let best = Number.POSITIVE_INFINITY;
    let offset = 0;
    let askedAt = 0;
    let asked = 0;
    let started = false;
    let cpu = 0;
    const ask = () => {
      asked++;
      askedAt = now();
      end.send('clock');
    };
    await open(`${url}&milliseconds=${milliseconds}&seed=${seed}`, {
      onOpen(opened) {
        end = opened;
        ask();
      },
      onMessage(text) {
        const at = now();
        if (started) {
          if (text === 'end') {
            cpu = processorTime() - cpu;
            end.terminate();
            finish();
            return;
          }
          const update = JSON.parse(text);
          times.push((at - offset) * 1000 - Number(update.t) / 1000);
          return;
        }
        // The quickest answer tells best how the two clocks stand to each other.
        if (at - askedAt < best) {
          best = at - askedAt;
          offset = (at + askedAt) / 2 - Number(text) / 1e6;
        }
        if (asked < 3000) ask();
        else {
          started = true;
          cpu = processorTime();
          end.send('go');
        }
      },
    });
    return { times: times.map(rounded), cpu, messages: times.length };
  },
};

function rounded(microseconds) {
  return Math.round(microseconds * 100) / 100;
}

const result = await MEASUREMENTS[task.measure](task);
result.rss = process.memoryUsage().rss;
process.stdout.write(JSON.stringify(result), () => process.exit());
