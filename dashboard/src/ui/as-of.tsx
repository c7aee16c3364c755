import { useEffect, useState } from 'preact/hooks';
import { formatMoment } from '../format/times.ts';

/** Age from which an answer may be out of date, in milliseconds. */
const OLD_MS = 10_000;

/** Shows the time of the newest answer once it is old: newer requests are slow or fail. @param time Unix milliseconds */
export function AsOf({ time }: { time: number }) {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  if (Date.now() - time < OLD_MS) return null;
  return <span class="warn-text">as of {formatMoment(new Date(time).toISOString())}</span>;
}
