// Runs a stream through a way to run a client and through `ws`, and compares what comes of it.

import { WebSocket } from 'ws';

import { digest, eventLine } from './differential-log.mjs';
import type { Answers, Command } from './differential-server-main.mjs';
import { LIMIT } from './differential-streams.mjs';
import { ServerProcess } from './server-process.mjs';
import { WAYS } from './ways.mjs';

/** What came of a stream: events, the last one before `quit` apart, and the frames that were sent. */
export interface Outcome {
  delivered: string[];
  end: string;
  sent: string[];
}

const OPTIONS = { maxMessageSize: LIMIT, maxFrameSize: LIMIT };

export class StreamServer {
  readonly #process = new ServerProcess<Answers>('differential-server-main.mjs');
  #port = 0;
  #lastId = 0;

  private constructor() {}

  static async start(): Promise<StreamServer> {
    const server = new StreamServer();
    server.#port = (await server.#process.answer('listening')).port;
    return server;
  }

  /** Runs one stream through one of the `WAYS`. */
  async through(name: string, seed: number, number: number): Promise<Outcome> {
    const path = `/${seed}/${number}/${++this.#lastId}`;
    const lines: string[] = [];
    await WAYS[name]!.run(`ws://127.0.0.1:${this.#port}${path}`, OPTIONS, event => {
      lines.push(eventLine(event));
    });
    if (lines.shift() !== 'activated' || lines.pop() !== 'quit') {
      throw new Error(`not begun by activated and ended by quit: ${lines}`);
    }
    const end = lines.pop() ?? '';
    return { delivered: lines, end, sent: await this.#answered(path) };
  }

  /** Runs one stream through `ws`. */
  async throughWs(seed: number, number: number): Promise<Outcome> {
    const path = `/${seed}/${number}/${++this.#lastId}`;
    const socket = new WebSocket(`ws://127.0.0.1:${this.#port}${path}`, {
      perMessageDeflate: false,
      maxPayload: LIMIT,
    });
    const delivered: string[] = [];
    let refusal: string | undefined;
    socket.on('message', (data: Buffer, isBinary) => {
      delivered.push(`${isBinary ? 'binary' : 'text'} ${digest(data)}`);
    });
    socket.on('ping', data => delivered.push(`ping ${digest(data)}`));
    socket.on('pong', data => delivered.push(`pong ${digest(data)}`));
    socket.on('error', error => {
      refusal = `error ${(error as { code?: string }).code}`;
    });
    const [code, reason] = await new Promise<[number, Buffer]>(resolve => {
      socket.on('close', (...end) => resolve(end));
    });
    const end = refusal ?? `closed ${code} ${digest(reason)}`;
    return { delivered, end, sent: await this.#answered(path) };
  }

  stop(): void {
    this.#process.stop();
  }

  async #answered(path: string): Promise<string[]> {
    const id = ++this.#lastId;
    const answered = this.#process.answer('answered', id);
    this.#process.tell({ id, path } satisfies Command);
    return (await answered).lines;
  }
}

/** A difference between us and `ws` that is meant to be. */
export interface Difference {
  name: string;
  why: string;
  holds(bytes: Buffer, ours: Outcome, theirs: Outcome): boolean;
}

/** Any other difference is a fault. */
export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'a wrong header of a frame that never comes whole',
    why: 'ws judges a header when it is there, tungstenite when the frame is: neither delivers it, and the end of the stream comes first',
    holds: (bytes, ours, theirs) =>
      verdict(ours) === 'cut' &&
      verdict(theirs) === 'rejected' &&
      isSame(ours.delivered, theirs.delivered) &&
      headers(bytes).at(-1)?.isWhole === false,
  },
  {
    name: 'a control frame whose length is written in more bytes than need be',
    why: 'RFC 6455, section 5.2, wants the fewest; tungstenite takes it, as both do for messages, and it harms nobody',
    holds: (bytes, ours, theirs) =>
      theirs.end === 'error WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH' &&
      isSame(ours.delivered.slice(0, theirs.delivered.length), theirs.delivered) &&
      headers(bytes).some(({ opcode, length, isLong }) => opcode >= 8 && isLong && length <= 125),
  },
  {
    name: 'invalid UTF-8 in a message that is not whole',
    why: 'text is checked as it comes, in a frame that is not whole too, as RFC 6455, section 8.1, allows; ws checks the message',
    holds: (bytes, ours, theirs) =>
      ours.end === 'error ERR_S9_INVALID_UTF8' &&
      isSame(theirs.delivered.slice(0, ours.delivered.length), ours.delivered) &&
      headers(bytes).some(({ opcode, isFinal, isWhole }) => opcode === 1 && !(isFinal && isWhole)),
  },
];

/** The stream is accepted to its Close frame, whose code this tells, refused, or ends without one. */
export function verdict({ end }: Outcome): string {
  if (end.startsWith('closed 1006') || end === 'error ERR_S9_CONNECTION_CLOSED') return 'cut';
  return end.startsWith('error') ? 'rejected' : end;
}

/** The name of the difference there is, if any; throws for one that is not listed. */
export function difference(bytes: Buffer, ours: Outcome, theirs: Outcome): string | undefined {
  if (verdict(ours) === verdict(theirs) && isSame(ours.delivered, theirs.delivered))
    return undefined;
  const known = DIFFERENCES.find(({ holds }) => holds(bytes, ours, theirs));
  if (known) return known.name;
  throw new Error(`ours ${JSON.stringify(ours)}, ws ${JSON.stringify(theirs)}`);
}

function isSame(ours: readonly string[], theirs: readonly string[]): boolean {
  return ours.join() === theirs.join();
}

interface Header {
  opcode: number;
  isFinal: boolean;
  length: number;
  /** The length is not within the first two bytes. */
  isLong: boolean;
  isWhole: boolean;
}

/** The headers of a stream, up to one that is cut off. */
function headers(bytes: Buffer): Header[] {
  const found: Header[] = [];
  for (let at = 0; at < bytes.length; ) {
    const second = bytes[at + 1] ?? 0;
    const short = second & 0x7f;
    const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
    const isCut = start > bytes.length;
    const long = short === 126 ? 2 : 8;
    const length = short < 126 || isCut ? short : Number(readUnsigned(bytes, at + 2, long));
    const end = start + (second & 0x80 ? 4 : 0) + length;
    const isWhole = !isCut && end <= bytes.length;
    const first = bytes[at] as number;
    const [opcode, isFinal] = [first & 15, first >= 0x80];
    found.push({ opcode, isFinal, length, isLong: short > 125, isWhole });
    at = isWhole ? end : bytes.length;
  }
  return found;
}

function readUnsigned(bytes: Buffer, at: number, length: number): bigint {
  return BigInt(`0x${bytes.toString('hex', at, at + length)}`);
}
