/** Rows of the tables, which have the same columns in every database. */
import { stringify } from '../wire/json-text/stringify.ts';
import { keepDiagnostics } from './kept-diagnostics.ts';
import type { Labels, SaidState } from '../contract/run-metadata.ts';
import type { RecordedDiagnostics } from '../contract/runs.ts';
import type { BatchKey, RecordedBatch, Recording, RunMetadata, RunSummary, Said, StepPoint } from './record.ts';
import type { Attempt, ScalarExportPage } from './scalars.ts';
import { PairSum, isWrong } from './step.ts';

/** A value of a column. */
export type Value = null | number | bigint | string | Uint8Array;

/** A row by the names of its columns. */
export type Row = Record<string, Value>;

/** A number as a column value: NaN becomes NULL, because SQLite cannot store NaN. */
export const toReal = (value: number): number | null => (Number.isNaN(value) ? null : value);
export const fromReal = (value: Value | undefined): number => (value === null ? Number.NaN : Number(value));

/** A loss for comparisons; NULL when it is not finite. */
const toFinite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** The loss of a step, from its numerator and its denominator. */
export const lossOf = (row: Row): number => fromReal(row['numerator']) / fromReal(row['denominator']);

/** Stored form of the totals. */
export function toSums(row: Row): { numerators: Uint8Array; denominators: Uint8Array } {
  return { numerators: row['numerators'] as Uint8Array, denominators: row['denominators'] as Uint8Array };
}

/** Columns of a run that its owner sets. */
export const METADATA_COLUMNS = 'labels, expected_ranks, state, notes, tags, archived';

/** @param row with the columns of METADATA_COLUMNS */
export function toMetadata(row: Row): RunMetadata {
  const { expected_ranks: expected, state } = row;
  return {
    labels: toLabels(row),
    ...(typeof expected === 'number' && { expectedRanks: expected }),
    ...(state !== null && { state: state as SaidState }),
    notes: row['notes'] as string,
    tags: toTags(row),
    archived: Number(row['archived']) === 1,
  };
}

export const toLabels = (row: Row): Labels => JSON.parse(row['labels'] as string) as Labels;
export const toTags = (row: Row): string[] => JSON.parse(row['tags'] as string) as string[];

/** State that the trainer said last; undefined when it never said one. */
export function toSaid({ state, said_at: at }: Row): Said | undefined {
  return state === null ? undefined : { state: state as SaidState, at: Number(at) };
}

/** Columns that change with the metadata of a run; null for columns that keep their values. */
export function metadataColumns({ labels, expectedRanks, state, notes, tags, archived }: RunMetadata, now: number) {
  return {
    labels: labels === undefined ? null : JSON.stringify(labels),
    expected_ranks: expectedRanks ?? null,
    state: state ?? null,
    said_at: state === undefined ? null : now,
    notes: notes ?? null,
    tags: tags === undefined ? null : JSON.stringify(tags),
    archived: archived === undefined ? null : Number(archived),
  };
}

/** Points of a sparkline. */
export const SPARKLINE = 64;

/** Summary of a run, from its row and from its steps. */
export function toSummary(row: Row, ofSteps: Pick<RunSummary, 'last' | 'best' | 'sparkline'>): RunSummary {
  const { expectedRanks, notes = '', archived = false } = toMetadata(row);
  return {
    run: row['name'] as string,
    labels: toLabels(row),
    expectedRanks,
    said: toSaid(row),
    notes,
    tags: toTags(row),
    archived,
    createdAt: Number(row['created_at']),
    updatedAt: Number(row['updated_at']),
    batches: Number(row['batches']),
    steps: Number(row['steps']),
    nonFiniteSteps: Number(row['non_finite_steps']),
    ranks: Number(row['ranks']),
    ...ofSteps,
  };
}

/** Summary of the non-finite batches of a step. */
interface Told {
  badBatches: number;
  causes: string[];
  /** Summary of the first non-finite batch in the order of rank and micro-batch, and its place. */
  summary: string | null;
  rank: number | null;
  microBatch: number | null;
}

/** @param step the step without this batch; undefined for the first batch */
function tellOf(
  step: Row | undefined,
  { diagnostics }: Recording,
  { rank, microBatch }: Pick<BatchKey, 'rank' | 'microBatch'>,
): Told {
  const told: Told = {
    badBatches: Number(step?.['bad_batches'] ?? 0),
    causes: step === undefined ? [] : (JSON.parse(step['causes'] as string) as string[]),
    summary: (step?.['summary'] ?? null) as string | null,
    rank: (step?.['summary_rank'] ?? null) as number | null,
    microBatch: (step?.['summary_micro_batch'] ?? null) as number | null,
  };
  if (diagnostics.verdict === 'finite') return told;
  told.badBatches++;
  told.causes = [...new Set([...told.causes, ...diagnostics.causes.map(({ cause }) => cause)])].toSorted();
  const isFirst = told.rank === null || rank < told.rank || (rank === told.rank && microBatch < told.microBatch!);
  return isFirst ? { ...told, summary: diagnostics.summary, rank, microBatch } : told;
}

/** Columns of a step after one more batch, computed from its batches alone. */
export interface StepColumns {
  numerators: Uint8Array;
  denominators: Uint8Array;
  numerator: number | null;
  denominator: number | null;
  loss: number | null;
  bad_batches: number;
  non_finite: number;
  causes: string;
  summary: string | null;
  summary_rank: number | null;
  summary_micro_batch: number | null;
}

/** @param step the step without this batch; undefined for the first batch of an attempt */
export function addToStep(step: Row | undefined, recording: Recording, key: BatchKey): StepColumns {
  const sums = step === undefined ? PairSum.of() : PairSum.from(toSums(step));
  sums.add(recording);
  const { value } = sums;
  const told = tellOf(step, recording, key);
  return {
    ...sums.toBytes(),
    numerator: toReal(value.numerator),
    denominator: toReal(value.denominator),
    loss: toFinite(value.loss),
    bad_batches: told.badBatches,
    non_finite: Number(told.badBatches > 0 || isWrong(value)),
    causes: JSON.stringify(told.causes),
    summary: told.summary,
    summary_rank: told.rank,
    summary_micro_batch: told.microBatch,
  };
}

/** Columns of a rank at a step, after one more batch. */
export interface RankColumns {
  numerators: Uint8Array;
  denominators: Uint8Array;
  loss: number | null;
}

/** @param rank the rank without this batch; undefined for its first batch */
export function addToRank(rank: Row | undefined, recording: Recording): RankColumns {
  const sums = rank === undefined ? PairSum.of() : PairSum.from(toSums(rank));
  sums.add(recording);
  return { ...sums.toBytes(), loss: toFinite(sums.value.loss) };
}

/** Columns of a batch without its key and its time. */
export function batchColumns({ numerator, denominator, diagnostics, digest, device, labelDigest }: Recording) {
  return {
    numerator: toReal(numerator),
    denominator: toReal(denominator),
    finite: diagnostics.verdict === 'finite' ? 1 : 0,
    summary: diagnostics.summary,
    diagnostics: toDiagnosticsText(diagnostics),
    digest,
    device: device ?? null,
    label_digest: labelDigest ?? null,
  };
}

/** Text of a diagnosis; null when nothing was found. The verdict and the summary have their own columns. */
function toDiagnosticsText(diagnostics: RecordedDiagnostics): string | null {
  const { causes, masked_rows_non_finite: leftOut = 0, labels } = diagnostics;
  const found =
    diagnostics.verdict === 'non_finite' || causes.length > 0 || leftOut > 0 || (labels?.out_of_range ?? 0) > 0;
  return found ? stringify(diagnostics) : null;
}

/** Place, numerator and denominator of a batch, which every read of batches returns. */
export const toKeyedPair = (row: Row) => ({
  step: Number(row['step']),
  attempt: Number(row['attempt']),
  rank: Number(row['rank']),
  microBatch: Number(row['micro_batch']),
  numerator: fromReal(row['numerator']),
  denominator: fromReal(row['denominator']),
});

export function toBatch(row: Row): RecordedBatch {
  const short = { verdict: row['finite'] === 1 ? 'finite' : 'non_finite', summary: row['summary'], causes: [] };
  const text = row['diagnostics'];
  return {
    ...toKeyedPair(row),
    // Earlier versions stored whole diagnoses, up to 280 KB per batch.
    diagnostics: keepDiagnostics((typeof text === 'string' ? JSON.parse(text) : short) as RecordedDiagnostics),
    ...(typeof row['device'] === 'string' && { device: row['device'] }),
    recordedAt: Number(row['recorded_at']),
  };
}

/** Columns of a step that `toStep` reads. They exclude the exact sums, which would double the time of a page. */
export const STEP_COLUMNS = [
  'step',
  'attempt',
  'numerator',
  'denominator',
  'ranks',
  'least',
  'greatest',
  'non_finite',
  'causes',
  'summary',
  'recorded_at',
  'sequence',
]
  .map((column) => `steps.${column}`)
  .join(', ');

/** @param row with the columns of STEP_COLUMNS */
export function toStep(row: Row): StepPoint {
  const { least, greatest, summary } = row;
  return {
    step: Number(row['step']),
    attempt: Number(row['attempt']),
    numerator: fromReal(row['numerator']),
    denominator: fromReal(row['denominator']),
    loss: lossOf(row),
    ranks: Number(row['ranks']),
    rankLosses: least === null ? undefined : { min: Number(least), max: Number(greatest) },
    nonFinite: row['non_finite'] === 1,
    causes: row['causes'] === '[]' ? [] : (JSON.parse(row['causes'] as string) as StepPoint['causes']),
    summary: summary === null ? undefined : (summary as string),
    recordedAt: Number(row['recorded_at']),
    sequence: Number(row['sequence']),
  };
}

export function toAttempt(row: Row): Attempt {
  return { attempt: Number(row['attempt']), firstStep: Number(row['first_step']), isLive: Number(row['live']) === 1 };
}

/**
 * @param rows of series, in the order of their keys; `holds` is 1 for numbers of the curve
 * @param limit on the number of rows
 */
export function toExportPage(rows: readonly Row[], limit: number): ScalarExportPage {
  const numbers = (row: Row) => ({
    attempt: Number(row['attempt']),
    step: Number(row['step']),
    rank: Number(row['rank']),
  });
  const last = rows.at(-1);
  return {
    rows: rows
      .filter((row) => Number(row['holds']) === 1)
      .map((row) => ({ ...numbers(row), name: row['name'] as string, value: fromReal(row['value']) })),
    next: last === undefined || rows.length < limit ? undefined : { series: Number(last['series']), ...numbers(last) },
  };
}
