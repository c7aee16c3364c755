import { useEffect, useState } from 'preact/hooks';
import { formatMoment } from '../format/times.ts';

/** An answer of this age, in milliseconds, may no longer be true. */
const OLD_MS = 10_000;

/** Says when an answer came, once it is old: newer ones are slow, or fail. @param time Unix milliseconds */
export function AsOf({ time }: { time: number }) {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  if (Date.now() - time < OLD_MS) return null;
  return <span class="warn-text">as of {formatMoment(new Date(time).toISOString())}</span>;
}
