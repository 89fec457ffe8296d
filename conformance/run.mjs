// `npm run conformance`: holds the clients against the Autobahn testsuite, and its verdicts against
// `expected-results.json`. Cases 1 to 10; `-- --all`: also 12 and 13, which are permessage-deflate;
// `-- "6.*" 7.1.6`: these; `-- --update`: the verdicts are expected from now on.

import { ensure } from '../scripts/ensure.mjs';
import { agentOf, buildCoreClient, CLIENTS, runCases } from './clients.mjs';
import { SuiteUnavailable, startFuzzingServer, UNAVAILABLE } from './suite.mjs';
import { compare, print, update } from './verdicts.mjs';

const USUAL = ['1.*', '2.*', '3.*', '4.*', '5.*', '6.*', '7.*', '9.*', '10.*'];
const DEFLATE = ['12.*', '13.*'];
const MINUTE = 60_000;

function parse(given) {
  const flags = given.filter(argument => argument.startsWith('-'));
  const unknown = flags.find(flag => flag !== '--all' && flag !== '--update');
  if (unknown) throw new Error(`no such option: ${unknown}; there are --all and --update`);
  const isFull = flags.includes('--all');
  const picked = given.filter(argument => !argument.startsWith('-'));
  return {
    patterns: isFull ? [...USUAL, ...DEFLATE] : picked.length > 0 ? picked : USUAL,
    timeout: (isFull ? 90 : 10) * MINUTE,
    updates: flags.includes('--update'),
  };
}

async function main() {
  const { patterns, timeout, updates } = parse(process.argv.slice(2));
  ensure();
  const coreClient = buildCoreClient();
  const server = await startFuzzingServer(patterns);
  const begun = performance.now();
  const failures = await Promise.all(
    CLIENTS.map(client => runCases(client, coreClient, server, timeout)),
  );
  const index = await server.finish();
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(`\n${server.cases.length} cases, ${CLIENTS.length} clients, ${seconds} s`);
  const results = CLIENTS.map((client, at) => ({
    client,
    failures: failures[at],
    verdicts: index[agentOf(client)] ?? {},
  }));
  if (updates) update(server.cases, results);
  return print(server.cases, results, compare(server.cases, results));
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(`\n${error.message}`);
  process.exitCode = error instanceof SuiteUnavailable ? UNAVAILABLE : 1;
}
