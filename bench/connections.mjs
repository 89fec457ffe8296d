// Opens connections that bring nothing and prints what each has added to the process, and what they take.

import { readdirSync, readFileSync } from 'node:fs';

const { module, way, url, count } = JSON.parse(process.argv[2]);
const { ways } = await import(`./clients/${module}.mjs`);

/** Resident memory in bytes, threads and descriptors of this process; only on Linux. */
function usage() {
  for (let turn = 0; turn < 4; turn++) globalThis.gc();
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = name => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  return {
    memory: field('VmRSS') * 1024,
    threads: field('Threads'),
    descriptors: readdirSync('/proc/self/fd').length,
  };
}

const open = () =>
  new Promise((resolve, reject) => {
    ways[way](url, {}, { onOpen: resolve, onMessage() {} }).catch(reject);
  });

// What the first connections bring with them, code above all, is nobody's in particular.
for (let warm = 0; warm < 8; warm++) (await open()).terminate();
await new Promise(resolve => setTimeout(resolve, 200));
const before = usage();
for (let opened = 0; opened < count; opened += 50) {
  await Promise.all(Array.from({ length: Math.min(50, count - opened) }, open));
}
const after = usage();
const begun = { used: process.cpuUsage(), at: performance.now() };
await new Promise(resolve => setTimeout(resolve, 1000));
const { user, system } = process.cpuUsage(begun.used);
const each = name => (after[name] - before[name]) / count;
const result = {
  memory: each('memory'),
  threads: each('threads'),
  descriptors: each('descriptors'),
  /** Of one processor, by all of them together. */
  processor: (user + system) / 1e3 / (performance.now() - begun.at),
};
process.stdout.write(JSON.stringify(result), () => process.exit());
