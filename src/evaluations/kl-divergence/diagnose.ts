import { LEFT_OUT } from '../../../kernels/abi.ts';
import { causesOf, foundOf } from '../../batch/diagnostics.ts';
import type { ComparisonDiagnostics, SideReport } from '../../contract/kl-divergence.ts';
import type { PAIR_CAUSES } from '../../diagnostics/causes.ts';
import type { Findings } from '../../diagnostics/findings.ts';
import { count, describeCauses } from '../../diagnostics/summary.ts';
import type { ComparedColumns } from '../../engine/block.ts';
import { inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import type { ComparedPlan, PlainResults } from './plan.ts';

type CauseReport = ComparisonDiagnostics['causes'][number];
type CauseName = CauseReport['cause'];

/** The report of a comparison. @param numerator Σ m·divergence */
export function* diagnoseComparison(
  plan: ComparedPlan,
  { columns, findings, referenceFindings }: PlainResults,
  { numerator, nanRows }: { numerator: number; nanRows: number },
): Steps<ComparisonDiagnostics> {
  const { targets, nulls, truncated, isTop } = plan;
  const sides = [['logits', findings], ...(isTop ? [] : [['reference', referenceFindings!] as const])] as const;
  const causes: CauseReport[] = sides.flatMap(([side, found]) =>
    causesOf(found).map(({ cause, ...facts }) => ({ side, cause: cause as CauseName, ...facts })),
  );
  const infinite = yield* infiniteRows(plan, columns as ComparedColumns);
  if (infinite !== undefined) causes.push(infinite);
  const { counted } = targets.rows;
  if (counted === 0) causes.push({ side: 'logits', cause: 'zero_denominator', rows: 0 });
  const isFinite = Number.isFinite(numerator);
  if (!isFinite && causes.every(({ cause }) => cause === 'neg_inf_at_label')) {
    causes.push({ side: 'logits', cause: 'accumulation_overflow', rows: 0 });
  }
  return {
    verdict: isFinite ? 'finite' : 'non_finite',
    summary: summarize(causes, { isFinite, counted, nulls }),
    causes,
    logits: sideReport(findings),
    ...(!isTop && { reference: sideReport(referenceFindings!) }),
    nan_rows: nanRows,
    truncated,
    ...(nulls > 0 && { nulls }),
    ...(targets.labels !== undefined && { labels: targets.labels }),
  };
}

/** Rows whose divergence is infinite because one side is −Inf at a class to which the other side gives a probability above 0. */
function* infiniteRows(
  { options, targets }: ComparedPlan,
  { infinite }: Pick<ComparedColumns, 'infinite'>,
): Steps<CauseReport | undefined> {
  const { classes } = targets;
  let rows = 0;
  let first = -1;
  yield* inSteps(infinite.length, (from, to) => {
    for (let row = from; row < to; row++) {
      if (infinite[row]! < 0 || classes[row] === LEFT_OUT) continue;
      if (rows++ === 0) first = row;
    }
  });
  if (rows === 0) return undefined;
  const isReverse = options.direction === 'reverse';
  const cause: (typeof PAIR_CAUSES)[number] = isReverse ? 'logits_mass_at_neg_inf' : 'reference_mass_at_neg_inf';
  const column = infinite[first]!;
  const place = { row: first, column, value: '-Infinity', is_label: column === classes[first], masked: false } as const;
  return { side: isReverse ? 'reference' : 'logits', cause, rows, first: place };
}

function sideReport(findings: Findings): SideReport {
  const { logits: counts, ...found } = foundOf(findings);
  return { counts, ...found };
}

function summarize(
  causes: readonly CauseReport[],
  { isFinite, counted, nulls }: { isFinite: boolean; counted: number; nulls: number },
): string {
  const found = causes.map((one) => `${describe(one, counted)}${one.rows > 0 ? ` of the ${one.side}` : ''}`).join('; ');
  const clauses = [
    isFinite ? `the divergence is finite${found === '' ? '' : `, though ${found}`}` : found,
    ...(nulls > 0 ? [`${count(nulls, 'null')} read as NaN`] : []),
  ];
  return clauses.join('; ');
}

function describe({ cause, rows, first }: CauseReport, counted: number): string {
  if (cause !== 'reference_mass_at_neg_inf' && cause !== 'logits_mass_at_neg_inf') {
    return describeCauses([{ cause, rows, ...(first && { first }) }], counted);
  }
  const other = cause === 'reference_mass_at_neg_inf' ? 'the reference has' : 'the logits have';
  return `-Infinity where ${other} a probability above 0, in ${rows} of ${count(counted, 'row')}; first at row ${first!.row}, class ${first!.column},`;
}
