// A straight line through samples, by least squares, and how sure its slope is.

export interface Trend {
  /** Per unit of `x`. */
  slope: number;
  /** The slope's standard error. */
  error: number;
}

export function trendOf(points: readonly { x: number; y: number }[]): Trend {
  const count = points.length;
  if (count < 3) return { slope: 0, error: Number.POSITIVE_INFINITY };
  const mean = (of: (point: { x: number; y: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / count;
  const [x, y] = [mean(point => point.x), mean(point => point.y)];
  const spread = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
  const slope = points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread;
  const unexplained = points.reduce(
    (sum, point) => sum + (point.y - y - slope * (point.x - x)) ** 2,
    0,
  );
  return { slope, error: Math.sqrt(unexplained / (count - 2) / spread) };
}
