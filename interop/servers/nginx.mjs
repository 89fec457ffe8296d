// nginx in front of `ws`: ends TLS, and passes the upgrade on. Arguments: CERT KEY DEFLATE; the command
// is S9_NGINX in the environment.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const [certificate, key, deflate] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 's9-nginx-'));

/** nginx cannot be asked which port it got: one is taken and given back. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function accepts(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

const behind = spawn(
  process.execPath,
  [join(dirname(fileURLToPath(import.meta.url)), 'ws.mjs'), certificate, key, deflate],
  { stdio: ['pipe', 'pipe', 'inherit'] },
);
const [line] = await once(createInterface(behind.stdout), 'line');
const [plain, tls] = [await freePort(), await freePort()];
const proxy = `
      location / {
        proxy_pass http://127.0.0.1:${JSON.parse(line).plain};
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
      }`;
const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
writeFileSync(
  join(folder, 'nginx.conf'),
  `daemon off;
  master_process off;
  pid ${folder}/pid;
  error_log stderr warn;
  events {}
  http {
    access_log off;
    ${temporary.map(name => `${name}_temp_path ${folder}/${name};`).join('\n    ')}
    server {
      listen 127.0.0.1:${plain};${proxy}
    }
    server {
      listen 127.0.0.1:${tls} ssl;
      ssl_certificate ${certificate};
      ssl_certificate_key ${key};${proxy}
    }
  }
`,
);
const nginx = spawn(process.env.S9_NGINX, ['-p', folder, '-c', join(folder, 'nginx.conf')], {
  stdio: ['ignore', 'inherit', 'inherit'],
});
function end() {
  nginx.kill();
  behind.stdin.end();
  rmSync(folder, { recursive: true, force: true });
  process.exit();
}
nginx.once('exit', end);
while (!(await accepts(plain)) || !(await accepts(tls))) {}
console.log(JSON.stringify({ plain, tls }));
// Whoever started this says both, and nginx would outlive a signal that is not listened for.
process.once('SIGTERM', end);
process.stdin.on('end', end).resume();
