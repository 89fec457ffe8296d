// Messages as an exchange sends them, and frames of them compressed ahead of time, so that compressing is
// never what limits the server.

import { writeFileSync } from 'node:fs';
import zlib from 'node:zlib';

/** Plain bytes of one sequence that the server repeats. */
const SEQUENCE_BYTES = 4 << 20;
/** First byte of a whole text message that is compressed: FIN, RSV1, text (RFC 7692, section 6). */
const COMPRESSED_TEXT = 0xc1;
/** What a sync flush ends with and a sender leaves out (RFC 7692, section 7.2.1). */
const TAIL_LENGTH = 4;

/** Trades as JSON of exactly `size` bytes; each index makes others, the same ones each time. */
export function trades(size, index) {
  let state = Math.imul(index + 1, 2654435761) >>> 0;
  const next = limit => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % limit;
  };
  const trade = nth => {
    const at = 1700000000000 + index * 7 + nth;
    const price = `${60000 + next(300)}.${10 + next(90)}000000`;
    const quantity = `0.0${1000 + next(9000)}000`;
    return `{"e":"trade","s":"BTCUSDT","t":${3000000 + index * 100 + nth},"p":"${price}","q":"${quantity}","T":${at},"m":${next(2) === 1}}`;
  };
  let text = trade(0);
  for (let nth = 1; text.length + 130 < size; nth++) text += `,${trade(nth)}`;
  return `[${text}]`.padEnd(size).slice(0, size);
}

/**
 * Writes a file of frames that can be repeated without end: where context is taken over, only the first
 * message begins without any.
 */
export async function writeFrames(path, { size, takeover }) {
  const { Z_SYNC_FLUSH } = zlib.constants;
  const stream = zlib.createDeflateRaw();
  const chunks = [];
  stream.on('data', chunk => chunks.push(chunk));
  const frames = [];
  for (let index = 0; index * size < SEQUENCE_BYTES; index++) {
    const message = trades(size, index);
    let payload;
    if (takeover) {
      stream.write(message);
      await new Promise(done => stream.flush(Z_SYNC_FLUSH, done));
      payload = Buffer.concat(chunks.splice(0));
    } else payload = zlib.deflateRawSync(message, { finishFlush: Z_SYNC_FLUSH });
    frames.push(frame(payload.subarray(0, -TAIL_LENGTH)));
  }
  writeFileSync(path, Buffer.concat(frames));
}

function frame(payload) {
  const { length } = payload;
  const head = length < 126 ? [length] : [126, length >> 8, length & 255];
  return Buffer.concat([Buffer.of(COMPRESSED_TEXT, ...head), payload]);
}
