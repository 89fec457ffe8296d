// An echo server in a process of its own, which sleeps while nothing comes.

import { EchoServer } from 's9-websocket/testing';

const server = await EchoServer.start();
console.log(server.url);
process.stdin.resume().on('end', () => process.exit());
