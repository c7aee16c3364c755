/** One line of the report: a figure, its reference, and their ratio or difference. */
export interface Comparison {
  what: string;
  figure: string;
  against: string;
  /**
   * Figure divided by its reference (×), figure minus its reference (MB), or the figure itself (ms); undefined when not
   * measured.
   */
  value?: number;
  unit: '×' | 'MB' | 'ms';
  /** The figure divided by its reference, when the goal is not a ratio. */
  ratio?: number;
  goal?: { atMost: number } | { atLeast: number };
  /** Further observations. */
  notes?: string[];
}

/** A line for a figure that could not be measured. */
export function notMeasured({ what, unit, goal }: Pick<Comparison, 'what' | 'unit' | 'goal'>, why: string): Comparison {
  return { what, figure: `not measured: ${why}`, against: '', unit, ...(goal && { goal }) };
}

function isMet({ value, goal }: Comparison): boolean | undefined {
  if (value === undefined || goal === undefined) return undefined;
  return 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast;
}

export const COLUMNS = ['what', 'figure', 'against', 'ratio', 'goal', 'met?'] as const;

/** The cells of a line of the report. */
export function cellsOf(comparison: Comparison): string[] {
  const met = isMet(comparison);
  return [
    comparison.what,
    comparison.figure,
    comparison.against,
    formatValue(comparison),
    formatGoal(comparison),
    met === undefined ? '' : met ? 'yes' : 'no',
  ];
}

/** Further observations of all lines. */
export function notesOf(comparisons: readonly Comparison[]): string[] {
  return comparisons.flatMap(({ what, notes = [] }) => notes.map((note) => `${what}: ${note}`));
}

/** The report as aligned columns, with the notes below. */
export function formatTable(comparisons: readonly Comparison[]): string {
  const lines = [[...COLUMNS], ...comparisons.map(cellsOf)];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const format = (line: readonly string[]): string =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width));
  const [head, ...body] = lines;
  const notes = notesOf(comparisons);
  return [...[head!, rule, ...body].map(format), ...(notes.length === 0 ? [] : ['', ...notes])].join('\n');
}

function formatValue({ value, unit, ratio }: Comparison): string {
  if (value === undefined) return '';
  if (unit === '×') return formatRatio(value);
  const amount = unit === 'ms' ? `${value.toFixed(1)} ms` : formatDifference(value);
  return ratio === undefined ? amount : `${amount}, ${formatRatio(ratio)}`;
}

function formatRatio(ratio: number): string {
  return `${ratio.toFixed(ratio < 10 ? 2 : 1)}×`;
}

function formatDifference(megabytes: number): string {
  return `${megabytes >= 0 ? '+' : '−'}${Math.abs(megabytes).toFixed(0)} MB`;
}

function formatGoal({ goal, unit }: Comparison): string {
  if (goal === undefined) return '';
  const [sign, bound] = 'atMost' in goal ? ['≤', goal.atMost] : ['≥', goal.atLeast];
  return { '×': `${sign} ${bound}×`, MB: `${sign} +${bound} MB`, ms: `${sign} ${bound} ms` }[unit];
}
