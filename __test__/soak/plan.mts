// What is to happen on a connection of the soak, derived from the seed and the connection's number
// alone, so that both sides know it without a word.

/** How a connection ends, and who sees to it. */
export type Ending =
  | 'client-close'
  /** While both sides still send. */
  | 'client-close-early'
  | 'server-close'
  | 'reset'
  /** FIN without a Close frame. */
  | 'half-close'
  /** The server neither reads nor sends any more and keeps the connection. */
  | 'silence'
  | 'force-quit'
  | 'throw'
  /** The client's worker thread is terminated; a client on the main thread quits instead. */
  | 'terminate'
  /** Lives as long as the soak. */
  | 'steady';

export interface Plan {
  id: number;
  tls: boolean;
  deflate: boolean;
  ending: Ending;
  /** Messages in each direction, if nothing ends the connection before. */
  clientCount: number;
  serverCount: number;
  /** What ends the connection early does so after this many messages of the server. */
  at: number;
  /** The server stops reading and sending for this long, at half of `at`. */
  stall: number;
  /** Binary logarithm of the longest message. */
  sizes: number;
  /** The most messages that the client sends at a time. */
  burst: number;
  /** A number for choices that only the client makes. */
  whim: number;
}

/** Connections with numbers from here on are steady. */
export const STEADY = 0x4000_0000;

/** Each has one steady connection. */
export const STEADY_WAYS = [
  'non_blocking_run_waiting',
  'non_blocking_thread',
  'blocking_run',
  'async_channels',
];

const ENDINGS: readonly { ending: Ending; weight: number }[] = [
  { ending: 'client-close', weight: 30 },
  { ending: 'client-close-early', weight: 10 },
  { ending: 'server-close', weight: 15 },
  { ending: 'reset', weight: 10 },
  { ending: 'half-close', weight: 8 },
  { ending: 'silence', weight: 4 },
  { ending: 'force-quit', weight: 8 },
  { ending: 'throw', weight: 7 },
  { ending: 'terminate', weight: 8 },
];

/** The longest messages, as powers of two, and how many messages such a connection has at most. */
const TRAFFIC: readonly { sizes: number; weight: number; messages: number }[] = [
  { sizes: 8, weight: 60, messages: 4_000 },
  { sizes: 14, weight: 27, messages: 800 },
  { sizes: 20, weight: 13, messages: 40 },
];

/** A hash of some numbers, of 32 bits (the finalizer of MurmurHash3). */
export function hash(...numbers: number[]): number {
  let state = 0x9e37_79b9;
  for (const number of numbers) {
    state = Math.imul(state ^ number, 0x85eb_ca6b);
    state ^= state >>> 13;
    state = Math.imul(state, 0xc2b2_ae35);
    state ^= state >>> 16;
  }
  return state >>> 0;
}

export function planOf(seed: number, id: number): Plan {
  let turn = 0;
  const below = (limit: number) => hash(seed, id, turn++) % limit;
  const weighted = <T extends { weight: number }>(all: readonly T[]): T => {
    let left = below(all.reduce((sum, { weight }) => sum + weight, 0));
    for (const item of all) {
      left -= item.weight;
      if (left < 0) return item;
    }
    throw new Error('the weights are not positive');
  };
  /** From 1 to `most`, each order of magnitude as likely as the others. */
  const upTo = (most: number) => Math.max(1, Math.round(most ** (below(1_000) / 999)));
  const isSteady = id >= STEADY;
  const traffic = weighted(TRAFFIC);
  const serverCount = upTo(traffic.messages);
  const at = 1 + below(serverCount);
  return {
    id,
    tls: below(3) === 0,
    deflate: below(4) === 0,
    ending: isSteady ? 'steady' : weighted(ENDINGS).ending,
    clientCount: isSteady ? Number.MAX_SAFE_INTEGER : upTo(traffic.messages),
    serverCount: isSteady ? Number.MAX_SAFE_INTEGER : serverCount,
    at,
    stall: !isSteady && below(8) === 0 ? upTo(300) : 0,
    sizes: isSteady ? 14 : traffic.sizes,
    // Sends come after events, of which there may be none but pings.
    burst: isSteady ? 4 : 16 + upTo(64),
    whim: below(0x7fff_ffff),
  };
}
