// `ws` on Node: echoes, and closes with 4002 when told to. Arguments: CERT KEY DEFLATE.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { WebSocketServer } from 'ws';

const [certificate, key, deflate] = process.argv.slice(2);

async function listen(server) {
  const sockets = new WebSocketServer({ server, perMessageDeflate: deflate === 'deflate' });
  sockets.on('connection', socket => {
    socket.on('error', error => console.error(error));
    socket.on('message', (data, isBinary) => {
      if (!isBinary && data.toString() === 'close me') socket.close(4002, 'bye');
      else socket.send(data, { binary: isBinary });
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return server.address().port;
}

const tls = { cert: readFileSync(certificate), key: readFileSync(key) };
const ports = { plain: await listen(createServer()), tls: await listen(createSecureServer(tls)) };
console.log(JSON.stringify(ports));
process.stdin.on('end', () => process.exit()).resume();
