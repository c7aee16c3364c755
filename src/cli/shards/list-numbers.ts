/** Maximum number of ranges in a list. */
const MOST_RUNS = 32;

/** Lists ascending numbers: `3, 7–9, 12`. */
export function listNumbers(numbers: readonly number[]): string {
  const runs: [first: number, last: number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run?.[1] === number - 1) run[1] = number;
    else runs.push([number, number]);
  }
  const shown = runs
    .slice(0, MOST_RUNS)
    .map(([first, last]) =>
      first === last ? `${first}` : last === first + 1 ? `${first}, ${last}` : `${first}–${last}`,
    );
  const rest = runs.slice(MOST_RUNS).reduce((sum, [first, last]) => sum + last - first + 1, 0);
  return `${shown.join(', ')}${rest === 0 ? '' : ` and ${rest} more`}`;
}
