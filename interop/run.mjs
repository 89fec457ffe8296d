// `npm run interop`: every client, in every way to run it, against the servers that are in use, plain and
// over TLS, with compression and without. Prints a matrix; fails where a cell does.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { ensure, isInstalled, root, run } from '../scripts/ensure.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const python = join(here, '.python');
/** A conversation sends 18 MiB twice; six ways have two each. */
const LONGEST = 180_000;

const script = name => join(here, 'servers', name);
const program = name => join(here, 'node_modules', '.bin', name);

/** Each with its command and whether it can compress; those without a command tell why. */
const SERVERS = {
  ws: () => ({ command: [process.execPath, script('ws.mjs')], deflates: true }),
  'Bun (uWebSockets)': () => ({ command: [program('bun'), script('bun.mjs')], deflates: true }),
  Deno: () => ({
    command: [program('deno'), 'run', '--allow-all', script('deno.mjs')],
    deflates: false,
  }),
  'Python websockets': () => inPython('python_websockets.py'),
  'Python aiohttp': () => inPython('python_aiohttp.py'),
  'nginx before ws': beforeWs,
};

function beforeWs() {
  const nginx = [process.env.S9_NGINX, 'nginx', '/usr/sbin/nginx'].find(
    command => command && spawnSync(command, ['-v']).status === 0,
  );
  return nginx
    ? { command: [process.execPath, script('nginx.mjs')], env: { S9_NGINX: nginx }, deflates: true }
    : { missing: 'nginx is not installed' };
}

function inPython(name) {
  if (!fetchPython()) return { missing: 'python3 with pip is not here' };
  return { command: ['python3', script(name)], env: { PYTHONPATH: python }, deflates: true };
}

/** Whether the packages are there, or could be fetched. */
function fetchPython() {
  const requirements = join(here, 'requirements.txt');
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  const stamp = join(python, '.sources');
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    rmSync(python, { recursive: true, force: true });
    const pip = ['-m', 'pip', '--disable-pip-version-check', 'install', '--quiet', '--no-deps'];
    const { status } = spawnSync('python3', [...pip, '--target', python, '-r', requirements], {
      stdio: 'inherit',
    });
    if (status !== 0) return false;
    writeFileSync(stamp, wanted);
  }
  return true;
}

async function withServer({ command, env }, files, deflate, talk) {
  const [file, ...first] = command;
  const server = spawn(file, [...first, files.cert, files.key, deflate], {
    cwd: here,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const line = once(createInterface(server.stdout), 'line');
    const ended = once(server, 'close').then(([code, signal]) => {
      throw new Error(`the server ended with ${signal ?? code} before it told its ports`);
    });
    // What it ends with later is nobody's concern.
    ended.catch(() => {});
    const [ports] = await Promise.race([line, ended]);
    return await talk(JSON.parse(ports));
  } finally {
    server.stdin.end();
    server.kill();
  }
}

/** What went wrong, by way to run a client. */
async function wrongWith(url, ca, deflate) {
  const client = spawn(process.execPath, [join(here, 'client.mjs'), url, ca, deflate], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LONGEST,
  });
  let told = '';
  client.stdout.on('data', data => (told += data));
  const [status, signal] = await once(client, 'close');
  if (status === 0) return JSON.parse(told);
  return { ways: [], wrong: { all: signal ? `ended by ${signal}` : `exit code ${status}` } };
}

/** Whether a server and all clients do with each other; prints a line for each way to connect. */
async function tries(name, server, files) {
  let isWell = true;
  for (const deflate of server.deflates ? ['plain', 'deflate'] : ['plain']) {
    const cells = await withServer(server, files, deflate, async ports => [
      ['ws', await wrongWith(`ws://127.0.0.1:${ports.plain}/`, '', deflate)],
      ['wss', await wrongWith(`wss://localhost:${ports.tls}/`, files.cert, deflate)],
    ]).catch(error => [['ws, wss', { ways: [], wrong: { all: error.message } }]]);
    for (const [scheme, { ways, wrong }] of cells) {
      const failures = Object.entries(wrong);
      isWell &&= failures.length === 0;
      const how = `${scheme}${deflate === 'deflate' ? ', compressed' : ''}`;
      const outcome = failures.length === 0 ? `OK in ${ways.length} ways` : 'FAILED';
      console.log(`${name.padEnd(18)} ${how.padEnd(16)} ${outcome}`);
      for (const [way, why] of failures) console.log(`    ${way}: ${why}`);
    }
  }
  return isWell;
}

async function main() {
  const wanted = process.argv.slice(2);
  const names = Object.keys(SERVERS);
  const unknown = wanted.find(part => !names.some(name => name.includes(part)));
  if (unknown !== undefined) {
    console.error(`there is no server ${JSON.stringify(unknown)}; there are ${names.join(', ')}`);
    return false;
  }
  ensure();
  if (!run('npm', ['run', '--silent', 'build:tests'])) return false;
  const installs = ['--prefix', here, '--no-package-lock', '--no-audit', '--no-fund'];
  if (!isInstalled(here) && !run('npm', ['install', ...installs])) return false;
  const { makeCertificate } = await import('../__test__/dist/certificate.mjs');
  const folder = mkdtempSync(join(tmpdir(), 's9-interop-'));
  let isWell = true;
  let tried = 0;
  try {
    const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    const { cert, key } = makeCertificate('interop');
    writeFileSync(files.cert, cert);
    writeFileSync(files.key, key, { mode: 0o600 });
    for (const [name, find] of Object.entries(SERVERS)) {
      if (wanted.length > 0 && !wanted.some(part => name.includes(part))) continue;
      const server = find();
      if (server.missing) {
        console.log(`${name.padEnd(18)} skipped: ${server.missing}`);
        continue;
      }
      tried++;
      if (!(await tries(name, server, files))) isWell = false;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (tried === 0) console.error('there is no server to be had');
  return isWell && tried > 0;
}

if (!(await main())) process.exitCode = 1;
