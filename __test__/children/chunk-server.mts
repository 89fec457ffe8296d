// A raw peer in a worker thread of its own, for clients that block theirs: it posts its port and then
// how many messages each chunk brought that it read, once a message 'end' came. Who says 'burst 10 99' gets
// ten messages of 99 characters and a ping in one write, each message beginning with its number.

import { parentPort } from 'node:worker_threads';

import { textFrame, upgradingPeer } from '../unhelpful-peers.mjs';

/** An empty one (RFC 6455, section 5.5.2). */
const PING = Buffer.from([0x89, 0]);

/** Unmasks the text frames of a chunk (RFC 6455, section 5.3), shorter than 126 bytes each. */
function messagesIn(chunk: Buffer): string[] {
  const messages: string[] = [];
  for (let at = 0; at < chunk.length; ) {
    const length = chunk.readUInt8(at + 1) & 0x7f;
    const mask = chunk.subarray(at + 2, at + 6);
    const payload = chunk.subarray(at + 6, at + 6 + length);
    messages.push(
      Buffer.from(payload.map((byte, index) => byte ^ mask.readUInt8(index % 4))).toString(),
    );
    at += 6 + length;
  }
  return messages;
}

const peer = await upgradingPeer(socket => {
  let chunks: number[] = [];
  socket.on('data', chunk => {
    const messages = messagesIn(chunk);
    const counted = messages.filter(message => message.startsWith('corked'));
    if (counted.length > 0) chunks.push(counted.length);
    for (const [word, count, length] of messages.map(message => message.split(' '))) {
      if (word !== 'burst') continue;
      const frames = Array.from({ length: Number(count) }, (_, number) =>
        textFrame(`${number}`.padEnd(Number(length))),
      );
      socket.write(Buffer.concat([...frames, PING]));
    }
    if (messages.includes('end')) {
      parentPort?.postMessage(chunks);
      chunks = [];
      socket.write(textFrame('ended'));
    }
  });
});
parentPort?.postMessage(peer.port);
