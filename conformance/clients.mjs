// The clients that are held against the suite, and how their processes run the cases.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { buildPrograms } from '../scripts/cargo.mjs';
import { root } from '../scripts/ensure.mjs';

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const program = join(dirname(fileURLToPath(import.meta.url)), 'client.mjs');

/** Cases that a client runs at the same time. */
const LANES = 6;

/** `blocks`: a process runs one case at a time. */
export const CLIENTS = [
  { name: 'core' },
  { name: 'non-blocking run' },
  { name: 'non-blocking runSync', blocks: true },
  { name: 'blocking run' },
  { name: 'blocking runSync', blocks: true },
  { name: 'async channels' },
];

/** The name that the reports have for a client. */
export const agentOf = ({ name }) => `s9-websocket ${version} ${name}`;

/** Builds the client of the core and returns its path. */
export function buildCoreClient() {
  const client = ['--package', 's9-websocket-core', '--example', 'autobahn_client'];
  const programs = buildPrograms(['--quiet', ...client]);
  if (!programs) throw new Error('the client of the core could not be built');
  return programs.autobahn_client;
}

/** Runs the cases with a client, several at a time; resolves to what its processes failed with. */
export async function runCases(client, coreClient, { url, cases }, timeout) {
  const { name, blocks = false } = client;
  const [file, ...first] = name === 'core' ? [coreClient] : [process.execPath, program, name];
  const processes = blocks ? LANES : 1;
  const lanes = String(blocks ? 1 : LANES);
  const failures = await Promise.all(
    shares(cases, processes).map(share => {
      const args = [...first, url, agentOf(client), lanes, ...share];
      const started = spawn(file, args, {
        cwd: root,
        stdio: ['ignore', 'inherit', 'inherit'],
        timeout,
      });
      return new Promise(resolve => {
        started.once('error', error => resolve(error.message));
        started.once('close', (status, signal) =>
          resolve(status === 0 ? undefined : signal ? `ended by ${signal}` : `exit code ${status}`),
        );
      });
    }),
  );
  return failures.filter(failure => failure !== undefined);
}

/** Every nth case, so that slow neighbours go to different processes. */
function shares(cases, count) {
  return Array.from({ length: count }, (_, share) =>
    cases.filter((_, index) => index % count === share),
  ).filter(share => share.length > 0);
}
