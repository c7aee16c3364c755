const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
] as const;

/** Formats a span of time in its two greatest units: `2 h 5 min`. */
export function formatSpan(seconds: number): string {
  const sign = seconds < 0 ? '−' : '';
  const exact = Math.abs(seconds);
  const tenths = exact.toFixed(1);
  if (Number(tenths) < 10 && !Number.isInteger(exact)) return `${sign}${tenths} s`;
  let rest = Math.round(exact);
  if (rest < 60) return `${sign}${rest} s`;
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

/** Formats the time since a moment: `5 min ago`. */
export function formatAgo(iso: string, now = Date.now()): string {
  const seconds = (now - Date.parse(iso)) / 1000;
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  const [unit, length] = UNITS.find(([, length]) => seconds >= length)!;
  return `${Math.floor(seconds / length)} ${unit} ago`;
}

const MOMENT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** Formats a date and a time of day in the reader's time zone. */
export const formatMoment = (iso: string): string => MOMENT.format(new Date(iso));
