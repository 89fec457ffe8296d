// A server in a worker thread of its own, for clients that block their thread. It echoes, pings those
// who say 'ping', and posts its port and then the close code of each client that leaves.

import { parentPort } from 'node:worker_threads';

import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
server.on('connection', socket => {
  socket.on('close', code => parentPort?.postMessage(code)).on('error', () => {});
  socket.on('message', (data, isBinary) => {
    socket.send(data, { binary: isBinary });
    if (data.toString() === 'ping') socket.ping();
  });
});
server.on('listening', () => {
  const address = server.address();
  if (typeof address === 'object') parentPort?.postMessage(address?.port);
});
