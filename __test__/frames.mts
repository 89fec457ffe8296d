// Frames of RFC 6455, section 5.2, made and read byte by byte, so that wrong ones can be made too.

export const enum Opcode {
  Continuation = 0,
  Text = 1,
  Binary = 2,
  Close = 8,
  Ping = 9,
  Pong = 10,
}

export interface FrameOptions {
  fin?: boolean;
  /** RSV1, RSV2 and RSV3 as 4, 2 and 1. */
  rsv?: number;
  masked?: boolean;
  /** The length that the header announces, whatever the payload's. */
  announced?: bigint;
}

/** A frame as a server sends it, unless told otherwise. */
export function frame(
  opcode: number,
  payload: string | Uint8Array = '',
  { fin = true, rsv = 0, masked = false, announced }: FrameOptions = {},
): Buffer {
  const data = Buffer.from(payload as Uint8Array);
  const length = announced ?? BigInt(data.length);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const maskBit = masked ? 0x80 : 0;
  if (length < 126n) head.push(maskBit | Number(length));
  else if (length < 65_536n) head.push(maskBit | 126, Number(length) >> 8, Number(length) & 255);
  else {
    head.push(maskBit | 127);
    for (let shift = 56n; shift >= 0n; shift -= 8n) head.push(Number((length >> shift) & 255n));
  }
  if (!masked) return Buffer.concat([Buffer.from(head), data]);
  const key = Buffer.from([1, 2, 3, 4]);
  return Buffer.concat([Buffer.from(head), key, unmasked(data, key)]);
}

/** A Close frame. */
export function closeFrame(code: number, reason = ''): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return frame(Opcode.Close, payload);
}

export interface ReceivedFrame {
  opcode: number;
  fin: boolean;
  rsv: number;
  masked: boolean;
  payload: Buffer;
}

/** Reads frames from bytes that come in pieces. */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): ReceivedFrame[] {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    const frames: ReceivedFrame[] = [];
    for (let next = this.#next(); next; next = this.#next()) frames.push(next);
    return frames;
  }

  #next(): ReceivedFrame | undefined {
    const bytes = this.#pending;
    if (bytes.length < 2) return undefined;
    const [first, second] = bytes as unknown as [number, number];
    const masked = (second & 0x80) !== 0;
    const short = second & 0x7f;
    let start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < start + (masked ? 4 : 0)) return undefined;
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(2)
          : Number(bytes.readBigUInt64BE(2));
    const key = masked ? bytes.subarray(start, start + 4) : Buffer.alloc(4);
    if (masked) start += 4;
    if (bytes.length < start + length) return undefined;
    this.#pending = bytes.subarray(start + length);
    return {
      opcode: first & 15,
      fin: (first & 0x80) !== 0,
      rsv: (first >> 4) & 7,
      masked,
      payload: unmasked(bytes.subarray(start, start + length), key),
    };
  }
}

function unmasked(data: Buffer, key: Buffer): Buffer {
  const result = Buffer.allocUnsafe(data.length);
  for (let index = 0; index < data.length; index++) {
    result[index] = (data[index] as number) ^ (key[index & 3] as number);
  }
  return result;
}
