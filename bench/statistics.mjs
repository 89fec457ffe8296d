// Figures of samples, and medians over rounds.

/** The least value that a share of the samples does not exceed; the samples are sorted. */
export function percentile(sorted, share) {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

/** What is told of a distribution, in the unit of its samples. */
export function distribution(samples) {
  const sorted = Float64Array.from(samples).sort();
  const at = share => percentile(sorted, share);
  return {
    samples: sorted.length,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    'p99.9': at(0.999),
    max: at(1),
  };
}

/** The middle one of some numbers. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** For each figure the median over rounds. */
export function medians(rounds) {
  return Object.fromEntries(
    Object.keys(rounds[0]).map(name => [name, median(rounds.map(round => round[name]))]),
  );
}
