// The book of one symbol, built from a snapshot and the updates that follow it.

export type Side = 'bid' | 'ask';
/** Price and quantity, as text: what is compared and written down must not be rounded. */
export type Level = readonly [price: string, quantity: string];

export interface Snapshot {
  type: 'snapshot';
  symbol: string;
  sequence: number;
  bids: Level[];
  asks: Level[];
}

export interface Update {
  type: 'update';
  symbol: string;
  /** One more than that of the update before. */
  sequence: number;
  side: Side;
  price: string;
  /** The new quantity at this price; `'0'` removes the level. */
  quantity: string;
}

/** Sent while nothing changes, so that the loss of the last update shows too. */
export interface Heartbeat {
  type: 'heartbeat';
  sequence: number;
}

export type MarketMessage = Snapshot | Update | Heartbeat;

/** What a message did to the book. */
export type Outcome = 'applied' | 'ignored' | 'gap';

export class OrderBook {
  readonly #levels = { bid: new Map<string, string>(), ask: new Map<string, string>() };
  #sequence: number | undefined;

  /** The sequence number of the last message applied; undefined before the first snapshot. */
  get sequence(): number | undefined {
    return this.#sequence;
  }

  /** After a gap the book is of no use, and only a snapshot changes that. */
  apply(message: MarketMessage): Outcome {
    if (message.type === 'snapshot') {
      this.#levels.bid = new Map(message.bids);
      this.#levels.ask = new Map(message.asks);
      this.#sequence = message.sequence;
      return 'applied';
    }
    // Updates from before the snapshot may still be on their way.
    if (this.#sequence === undefined || message.sequence <= this.#sequence) return 'ignored';
    if (message.type === 'heartbeat' || message.sequence > this.#sequence + 1) {
      this.#sequence = undefined;
      return 'gap';
    }
    const side = this.#levels[message.side];
    if (message.quantity === '0') side.delete(message.price);
    else side.set(message.price, message.quantity);
    this.#sequence = message.sequence;
    return 'applied';
  }

  /** The levels of a side, best first. */
  levels(side: Side): Level[] {
    const ascending = [...this.#levels[side]].sort(([a], [b]) => Number(a) - Number(b));
    return side === 'bid' ? ascending.reverse() : ascending;
  }
}
