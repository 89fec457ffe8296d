// What is told of many round trips.

/** The shares whose times are told, with their names. */
export const SHARES = [
  ['p50', 0.5],
  ['p90', 0.9],
  ['p99', 0.99],
  ['p99.9', 0.999],
  ['max', 1],
] as const;

/** Times in microseconds, sorted. */
export class Distribution {
  readonly #sorted: Float64Array;

  constructor(rounds: readonly Float64Array[]) {
    this.#sorted = new Float64Array(rounds.reduce((sum, times) => sum + times.length, 0));
    let at = 0;
    for (const times of rounds) {
      this.#sorted.set(times, at);
      at += times.length;
    }
    this.#sorted.sort();
  }

  get count(): number {
    return this.#sorted.length;
  }

  /** The shortest time that a share of the round trips does not exceed. */
  at(share: number): number {
    const index = Math.max(0, Math.ceil(this.count * share) - 1);
    return this.#sorted[index] ?? Number.NaN;
  }

  /** How many times fall between edges that are equally far apart on a logarithmic scale. */
  histogram(least: number, most: number, columns: number): number[] {
    const counts = new Array<number>(columns).fill(0);
    const width = Math.log(most / least);
    for (const time of this.#sorted) {
      const column = Math.floor((Math.log(time / least) / width) * columns);
      const inRange = Math.min(columns - 1, Math.max(0, column));
      counts[inRange] = (counts[inRange] ?? 0) + 1;
    }
    return counts;
  }
}
