// `ws` in a process of its own: echoes every message. The URL's query says with which options of
// permessage-deflate; the first line of output is the port. Ends with its standard input.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { WebSocketServer } from 'ws';

const servers = new Map<string, WebSocketServer>();

function serverFor(query: string): WebSocketServer {
  let server = servers.get(query);
  if (!server) {
    server = new WebSocketServer({ noServer: true, perMessageDeflate: JSON.parse(query) });
    server.on('connection', socket => {
      socket.on('message', (data, binary) => socket.send(data, { binary }));
      socket.on('error', () => {});
    });
    servers.set(query, server);
  }
  return server;
}

const http = createServer();
http.on('upgrade', (request, socket, head) => {
  const server = serverFor(decodeURIComponent(request.url?.split('?')[1] ?? '{}'));
  server.handleUpgrade(request, socket, head, opened => server.emit('connection', opened));
});
http.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(http.address() as AddressInfo).port}\n`);
});
process.stdin.resume().on('end', () => process.exit());
