/** One line of the report: a figure, what it is held against, and how they compare. */
export interface Comparison {
  what: string;
  figure: string;
  against: string;
  /** The figure divided by what it is held against (×), or less it (MB). */
  value: number;
  unit: '×' | 'MB';
  goal?: { atMost: number } | { atLeast: number };
  /** What else was seen. */
  notes?: string[];
}

export function isMet({ value, goal }: Comparison): boolean | undefined {
  if (goal === undefined) return undefined;
  return 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast;
}

/** The report as aligned columns, with the notes below. */
export function formatTable(comparisons: readonly Comparison[]): string {
  const lines = [
    ['what', 'figure', 'against', 'ratio', 'goal', 'met?'],
    ...comparisons.map((comparison) => [
      comparison.what,
      comparison.figure,
      comparison.against,
      formatValue(comparison),
      formatGoal(comparison),
      { true: 'yes', false: 'no', undefined: '' }[String(isMet(comparison)) as 'true' | 'false' | 'undefined'],
    ]),
  ];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const format = (line: readonly string[]): string =>
    line
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width));
  const [head, ...body] = lines;
  const notes = comparisons.flatMap(({ what, notes = [] }) => notes.map((note) => `${what}: ${note}`));
  return [...[head!, rule, ...body].map(format), ...(notes.length === 0 ? [] : ['', ...notes])].join('\n');
}

function formatValue({ value, unit }: Comparison): string {
  if (unit === 'MB') return `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(0)} MB`;
  return `${value.toFixed(value < 10 ? 2 : 1)}×`;
}

function formatGoal({ goal, unit }: Comparison): string {
  if (goal === undefined) return '';
  const [sign, bound] = 'atMost' in goal ? ['≤', goal.atMost] : ['≥', goal.atLeast];
  return unit === 'MB' ? `${sign} +${bound} MB` : `${sign} ${bound}×`;
}
