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

import { ensure, root, run } from '../scripts/ensure.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const python = join(here, '.python');
/** A conversation sends 18 MiB twice; six ways have two each. */
const LONGEST = 180_000;

const script = name => join(here, 'servers', name);
const program = name => join(here, 'node_modules', '.bin', name);

/** Each with its command and whether it can compress; those without a command tell why. */
function servers() {
  const withPython = fetchPython();
  const nginx = [process.env.S9_NGINX, 'nginx', '/usr/sbin/nginx'].find(
    command => command && spawnSync(command, ['-v']).status === 0,
  );
  return {
    ws: { command: [process.execPath, script('ws.mjs')], deflates: true },
    'Bun (uWebSockets)': { command: [program('bun'), script('bun.mjs')], deflates: true },
    Deno: { command: [program('deno'), 'run', '--allow-all', script('deno.mjs')], deflates: false },
    'Python websockets': withPython('python_websockets.py'),
    'Python aiohttp': withPython('python_aiohttp.py'),
    'nginx before ws': nginx
      ? {
          command: [process.execPath, script('nginx.mjs')],
          env: { S9_NGINX: nginx },
          deflates: true,
        }
      : { missing: 'nginx is not installed' },
  };
}

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
    if (status !== 0) return () => ({ missing: 'python3 with pip is not here' });
    writeFileSync(stamp, wanted);
  }
  const env = { PYTHONPATH: python };
  return name => ({ command: ['python3', script(name)], env, deflates: true });
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
    const ended = once(server, 'close').then(() => ['']);
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

async function main() {
  ensure();
  if (!run('npm', ['run', '--silent', 'build:tests'])) return false;
  const { makeCertificate } = await import('../__test__/dist/certificate.mjs');
  const folder = mkdtempSync(join(tmpdir(), 's9-interop-'));
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
  const { cert, key } = makeCertificate('interop');
  writeFileSync(files.cert, cert);
  writeFileSync(files.key, key, { mode: 0o600 });
  const installs = ['--prefix', here, '--no-package-lock', '--no-audit', '--no-fund'];
  const isInstalled = ['deno', 's9-websocket'].every(name =>
    existsSync(join(here, 'node_modules', name)),
  );
  if (!isInstalled && !run('npm', ['install', ...installs])) return false;

  let isWell = true;
  const wanted = process.argv.slice(2);
  for (const [name, server] of Object.entries(servers())) {
    if (wanted.length > 0 && !wanted.some(part => name.includes(part))) continue;
    if (server.missing) {
      console.log(`${name.padEnd(18)} skipped: ${server.missing}`);
      continue;
    }
    for (const deflate of server.deflates ? ['plain', 'deflate'] : ['plain']) {
      const cells = await withServer(server, files, deflate, async ports => [
        ['ws', await wrongWith(`ws://127.0.0.1:${ports.plain}/`, '', deflate)],
        ['wss', await wrongWith(`wss://localhost:${ports.tls}/`, files.cert, deflate)],
      ]);
      for (const [scheme, { ways, wrong }] of cells) {
        const failures = Object.entries(wrong);
        isWell &&= failures.length === 0;
        const how = `${scheme}${deflate === 'deflate' ? ', compressed' : ''}`;
        const outcome = failures.length === 0 ? `OK in ${ways.length} ways` : 'FAILED';
        console.log(`${name.padEnd(18)} ${how.padEnd(16)} ${outcome}`);
        for (const [way, why] of failures) console.log(`    ${way}: ${why}`);
      }
    }
  }
  rmSync(folder, { recursive: true, force: true });
  return isWell;
}

if (!(await main())) process.exitCode = 1;
