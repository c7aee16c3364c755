import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { KeptDiagnostics, RecordedBatch, StepPoint } from './record.ts';

/** A row as node:sqlite has it. */
export type Row = Record<string, SQLOutputValue>;

/** SQLite has no NaN. */
export const toReal = (value: number): SQLInputValue => (Number.isNaN(value) ? null : value);
export const fromReal = (value: SQLOutputValue | undefined): number => (value === null ? Number.NaN : Number(value));

/** What a diagnosis says beside its verdict and its summary, which have columns of their own; null when nothing was found. */
export function toDiagnosticsText(diagnostics: KeptDiagnostics): string | null {
  const { causes, masked_rows_non_finite: leftOut = 0, labels } = diagnostics;
  const found =
    diagnostics.verdict === 'non_finite' || causes.length > 0 || leftOut > 0 || (labels?.out_of_range ?? 0) > 0;
  return found ? JSON.stringify(diagnostics, nonFiniteToText) : null;
}

function nonFiniteToText(_name: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

export function toBatch(row: Row): RecordedBatch {
  const short = { verdict: row['finite'] === 1 ? 'finite' : 'non_finite', summary: row['summary'], causes: [] };
  const text = row['diagnostics'];
  return {
    step: Number(row['step']),
    attempt: Number(row['attempt']),
    rank: Number(row['rank']),
    microBatch: Number(row['micro_batch']),
    numerator: fromReal(row['numerator']),
    denominator: fromReal(row['denominator']),
    diagnostics: (typeof text === 'string' ? JSON.parse(text) : short) as KeptDiagnostics,
    recordedAt: Number(row['recorded_at']),
  };
}

export function toStep(row: Row): StepPoint {
  const { least, greatest, summary } = row;
  return {
    step: Number(row['step']),
    attempt: Number(row['attempt']),
    numerator: fromReal(row['numerator']),
    denominator: fromReal(row['denominator']),
    loss: fromReal(row['loss']),
    ranks: Number(row['ranks']),
    rankLosses: least === null ? undefined : { min: Number(least), max: Number(greatest) },
    nonFinite: row['non_finite'] === 1,
    causes: row['causes'] === '[]' ? [] : (JSON.parse(row['causes'] as string) as string[]),
    summary: summary === null ? undefined : (summary as string),
    recordedAt: Number(row['recorded_at']),
    sequence: Number(row['sequence']),
  };
}
