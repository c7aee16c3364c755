import { useEffect, useState } from 'preact/hooks';
import { formatAgo, formatMoment } from '../format/times.ts';

/** Time since a moment, kept up to date. */
export function Ago({ time }: { time: string }) {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), 5000);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={time} title={formatMoment(time)}>
      {formatAgo(time)}
    </time>
  );
}
