import { formatLoss } from '../format/numbers.ts';

const [WIDTH, HEIGHT, MARGIN] = [120, 32, 3];

/** Curve without axes. It shows the shape of a run, not its numbers. */
export function Sparkline({ values }: { values: readonly number[] }) {
  if (values.length < 2) return <span class="sparkline-none">–</span>;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (k: number): number => MARGIN + (k / (values.length - 1)) * (WIDTH - 2 * MARGIN);
  const y = (value: number): number =>
    HEIGHT - MARGIN - (high === low ? 0.5 : (value - low) / (high - low)) * (HEIGHT - 2 * MARGIN);
  const line = values.map((value, k) => `${x(k).toFixed(1)} ${y(value).toFixed(1)}`).join('L');
  const last = values.at(-1)!;
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={`Loss from ${formatLoss(values[0])} to ${formatLoss(last)}`}
    >
      <path class="area" d={`M${line}L${x(values.length - 1)} ${HEIGHT}L${MARGIN} ${HEIGHT}Z`} />
      <path class="line" d={`M${line}`} />
      <circle cx={x(values.length - 1)} cy={y(last)} r="2.2" />
    </svg>
  );
}
