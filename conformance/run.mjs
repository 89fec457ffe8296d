// `npm run conformance`: holds the clients against the Autobahn testsuite, and its verdicts against
// `expected-results.json`. Cases 1 to 10; `-- --all`: also 12 and 13, which are permessage-deflate, and take long;
// `-- "6.*" 7.1.6`: these; `-- --update`: the verdicts are expected from now on.

import { availableParallelism } from 'node:os';

import { ensure } from '../scripts/ensure.mjs';
import { agentOf, buildCoreClient, CLIENTS, runCases } from './clients.mjs';
import { SuiteUnavailable, startFuzzingServers, UNAVAILABLE } from './suite.mjs';
import { compare, isComplete, print, update } from './verdicts.mjs';

const USUAL = ['1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '9.*', '10.*'];
const DEFLATE = ['12.*', '13.*'];
const MINUTE = 60_000;

function parse(given) {
  const flags = given.filter(argument => argument.startsWith('-'));
  const unknown = flags.find(flag => flag !== '--all' && flag !== '--update');
  if (unknown) throw new Error(`no such option: ${unknown}; there are --all and --update`);
  const isFull = flags.includes('--all');
  const picked = given.filter(argument => !argument.startsWith('-'));
  const patterns = isFull ? [...USUAL, ...DEFLATE] : picked.length > 0 ? picked : USUAL;
  // A case of compression has a thousand messages, which the suite compresses in Python.
  const isLong = patterns.some(pattern => /^1[23]\b/.test(pattern));
  return {
    patterns,
    timeout: (isLong ? 120 : 10) * MINUTE,
    updates: flags.includes('--update'),
  };
}

async function main() {
  const { patterns, timeout, updates } = parse(process.argv.slice(2));
  ensure();
  const coreClient = buildCoreClient();
  // A server is a single thread of Python, which is what a run takes its time for.
  const count = Math.min(availableParallelism(), CLIENTS.length);
  const servers = await startFuzzingServers(patterns, count);
  const [{ cases }] = servers;
  const begun = performance.now();
  const failures = await Promise.all(
    CLIENTS.map((client, at) => runCases(client, coreClient, servers[at % count], timeout)),
  );
  const indexes = await Promise.all(servers.map(server => server.finish()));
  const index = Object.assign({}, ...indexes);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`\n${cases.length} cases, ${CLIENTS.length} clients, ${seconds} s`);
  const results = CLIENTS.map((client, at) => ({
    client,
    failures: failures[at],
    verdicts: index[agentOf(client)] ?? {},
  }));
  if (updates) {
    if (isComplete(cases, results)) update(cases, results);
    else console.error('a client failed or has no verdict: what is expected stays as it was');
  }
  return print(cases, results, compare(cases, results));
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(`\n${error.message}`);
  process.exitCode = error instanceof SuiteUnavailable ? UNAVAILABLE : 1;
}
