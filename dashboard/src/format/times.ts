const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
] as const;

/** A span of time in its two greatest units: `2 h 5 min`. */
export function formatSpan(seconds: number): string {
  const sign = seconds < 0 ? '−' : '';
  let rest = Math.abs(seconds);
  if (rest < 60) return `${sign}${rest < 10 && !Number.isInteger(rest) ? rest.toFixed(1) : Math.round(rest)} s`;
  const parts: string[] = [];
  for (const [unit, length] of [...UNITS, ['s', 1] as const]) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return sign + parts.join(' ');
}

/** Time since a moment, in words. */
export function formatAgo(iso: string, now = Date.now()): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  const [unit, length] = UNITS.find(([, length]) => seconds >= length)!;
  return `${Math.floor(seconds / length)} ${unit} ago`;
}

const MOMENT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** A time of day where the reader is. */
export const formatMoment = (iso: string): string => MOMENT.format(new Date(iso));
