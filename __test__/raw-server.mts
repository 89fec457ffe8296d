// A server for one connection that knows nothing of messages: what it sends and is sent are frames,
// so that a test sees RSV1 and payloads as they are on the wire.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** A frame of a client, unmasked. */
export interface Frame {
  opcode: number;
  compressed: boolean;
  payload: Buffer;
}

export interface RawServer {
  url: string;
  /** Everything that the client sent, once it has ended the stream. */
  received: Promise<Frame[]>;
}

const CLOSE_OPCODE = 8;
const CLOSE = Buffer.of(0x80 | CLOSE_OPCODE, 0);

/** Answers with these extensions, sends `toSend`, and a Close once `closeAfter` frames have come. */
export async function rawServer(
  extensions: string,
  toSend: readonly Buffer[],
  closeAfter: number,
): Promise<RawServer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const received = once(server, 'connection').then(async ([socket]: Socket[]) => {
    server.close();
    return serve(socket!, extensions, toSend, closeAfter);
  });
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

async function serve(
  socket: Socket,
  extensions: string,
  toSend: readonly Buffer[],
  closeAfter: number,
): Promise<Frame[]> {
  const head = '\r\n\r\n';
  let bytes = Buffer.alloc(0);
  let upgraded = false;
  const received: Frame[] = [];
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk]);
    if (!upgraded) {
      if (!bytes.includes(head)) continue;
      const end = bytes.indexOf(head) + head.length;
      socket.write(acceptance(bytes.toString('latin1', 0, end), extensions));
      for (const frame of toSend) socket.write(frame);
      bytes = bytes.subarray(end);
      upgraded = true;
    }
    for (let next = frameIn(bytes); next; next = frameIn(bytes)) {
      received.push(next.frame);
      bytes = bytes.subarray(next.length);
      if (next.frame.opcode === CLOSE_OPCODE) {
        socket.end(received.length > closeAfter ? '' : CLOSE);
      } else if (received.length === closeAfter) socket.write(CLOSE);
    }
  }
  return received;
}

function acceptance(request: string, extensions: string): string {
  const key = /^sec-websocket-key: *(\S+)/im.exec(request)?.[1];
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept.digest('base64')}`,
    `Sec-WebSocket-Extensions: ${extensions}\r\n\r\n`,
  ].join('\r\n');
}

/** The first frame of a client, if all of it is there. */
function frameIn(bytes: Buffer): { frame: Frame; length: number } | undefined {
  if (bytes.length < 2) return undefined;
  const [first = 0, second = 0] = bytes;
  const short = second & 127;
  const start = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < start) return undefined;
  const size =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const length = start + 4 + size;
  if (bytes.length < length) return undefined;
  const payload = Buffer.from(bytes.subarray(start + 4, length));
  for (let at = 0; at < size; at++) payload[at]! ^= bytes[start + (at & 3)]!;
  return { frame: { opcode: first & 15, compressed: (first & 0x40) !== 0, payload }, length };
}

/** A frame of a server with this first byte. */
export function frame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.of(first, length), payload]);
  const head = Buffer.alloc(10);
  head.writeUInt16BE((first << 8) | 127);
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}
