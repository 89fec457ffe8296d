// The demo's echo servers, in a process of their own: prints where they listen, ends with its parent.

import { EchoServer } from 's9-websocket/testing';

const plain = await EchoServer.start();
const secure = await EchoServer.start({ tls: true });
process.send({ ws: plain.url, wss: secure.url, ca: secure.ca });
process.on('disconnect', () => process.exit());
