import { createHash } from 'node:crypto';
import { LossmeterError, refuse } from '../../errors.ts';
import type { DeclaredLoss } from '../../contract/declared.ts';
import type { Diagnostics } from '../../contract/diagnostics.ts';
import { OPTIONS_OF_THE_LOSS, comparable } from '../../loss/option-rules.ts';
import { summarize } from '../../diagnostics/summary.ts';
import type { RecordedAs } from '../../diagnostics/summary.ts';
import type { KernelPool } from '../../engine/pool.ts';
import { inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import { pointerTo, showValue } from '../../suggestion.ts';
import type { HeldBytesAccount } from '../../wire/body/held-bytes.ts';
import { NON_FINITE } from '../../wire/non-finite.ts';
import type { ReadRequest } from '../../wire/request.ts';
import type { RequestFields } from '../../wire/request-fields.ts';
import type { Kind } from '../kind.ts';
import { compareWithBatch, compareWithPair } from './declared.ts';
import { BESIDES, declaredLossOf, readBesides } from './besides.ts';
import type { Besides } from './besides.ts';
import { CROSS_ENTROPY } from './cross-entropy.ts';
import { makeHeader } from '../../batch/header.ts';
import { evaluated, planBatch } from './plan.ts';
import type { BatchPlan } from './plan.ts';
import type { RowResults } from '../../engine/block-writer.ts';
import { report } from '../../batch/report.ts';
import type { Evaluation } from '../../contract/cross-entropy.ts';

/** Fields of a request whose loss is already computed. */
export const PAIR_FIELDS = ['numerator', 'denominator'] as const;

/** Answer to a pair that was computed elsewhere. */
interface PairEvaluation {
  loss: number;
  numerator: number;
  denominator: number;
  diagnostics: Pick<Diagnostics, 'verdict' | 'summary' | 'causes'>;
}

/** A batch that can be recorded. */
export interface RunBatch {
  evaluation: (Evaluation | PairEvaluation) & { declared?: DeclaredLoss };
  /** Digest of the content: equal only for equal content. */
  digest: Uint8Array;
  /** Digest of the labels; undefined for a pair, and for labels with too little information. */
  labelDigest?: Uint8Array | undefined;
  /** −log softmax at the labels of the first rows, which the store may keep; undefined for a pair. */
  rowLosses?: Float64Array;
}

/** A batch with the other fields of its recording. */
export type RecordedBatch = RunBatch & Besides;

/** Plan of a batch, and the other fields of its recording. */
interface RecordingPlan extends BatchPlan {
  besides: Besides;
}

/**
 * Cross-entropy of a micro-batch of a run, or the pair that was computed elsewhere.
 * @param recordedAs its place in the run, for the summary
 */
export function recordingOf(recordedAs: RecordedAs): Kind<RecordingPlan, RecordedBatch> {
  return {
    fields: FIELDS,
    plan,
    answer: (batch, rows) => evaluateForRun(batch, rows, recordedAs),
    *answerFields(fields) {
      // A pair is one step: it may begin in a new turn.
      yield;
      const besides = readBesides(fields);
      const { evaluation, digest } = runPair(fields, recordedAs);
      const declared = declaredLossOf(besides);
      const compared = declared !== undefined && { declared: compareWithPair(declared, evaluation) };
      return { evaluation: { ...evaluation, ...compared }, digest, ...besides };
    },
  };
}

const FIELDS: RequestFields = {
  ...CROSS_ENTROPY.fields,
  values: [...PAIR_FIELDS, ...BESIDES],
  tensorsOptional: true,
};

/** @throws LossmeterError of planBatch, and unknown_field when a pair is given with the batch */
function* plan(pool: KernelPool, request: ReadRequest, held: HeldBytesAccount): Steps<RecordingPlan> {
  const header = makeHeader(request);
  const surplus = PAIR_FIELDS.find((name) => request.fields[name] !== undefined);
  if (surplus !== undefined) {
    const detail = `${surplus} is given with logits, from which the service computes the loss: expected one of them`;
    throw refuse('unknown_field', pointerTo(surplus), detail);
  }
  const besides = readBesides(request.fields);
  const alternatives = declaredLossOf(besides) !== undefined;
  return { ...(yield* planBatch(pool, header, held, { alternatives })), besides };
}

function* evaluateForRun(batch: RecordingPlan, rows: RowResults, recordedAs: RecordedAs): Steps<RecordedBatch> {
  const evaluation = yield* report(evaluated(batch, rows), recordedAs);
  const declared = declaredLossOf(batch.besides);
  const compared = declared !== undefined && { declared: yield* compareWithBatch(declared, evaluation, batch, rows) };
  const digest = yield* digestOf(batch, rows);
  const rowLosses = rows.columns.nll.subarray(0, MOST_ROW_LOSSES);
  return {
    evaluation: { ...evaluation, ...compared },
    digest,
    labelDigest: yield* digestOfLabels(batch),
    rowLosses,
    ...batch.besides,
  };
}

/** Entropy of the labels, in bits per label. Rows that are left out do not count. */
function entropyOf(classes: Int32Array): number {
  const counts = new Map<number, number>();
  let rows = 0;
  for (const label of classes) {
    if (label < 0) continue;
    counts.set(label, (counts.get(label) ?? 0) + 1);
    rows++;
  }
  let bits = 0;
  for (const count of counts.values()) bits -= (count / rows) * Math.log2(count / rows);
  return bits;
}

/** Length of the digest of labels, in bytes. */
const LABEL_DIGEST_BYTES = 16;

/** Maximum number of rows of a batch whose losses the store may keep. */
const MOST_ROW_LOSSES = 16_384;

/** Minimum information of labels with a digest, in bits. Labels with less may be equal by chance. */
const LEAST_BITS = 32;

/** Number of rows from which the information per label is estimated. */
const ROWS_OF_SAMPLE = 4096;

/** Digest of the labels; undefined when they may equal other labels by chance. */
function* digestOfLabels({ targets: { classes, rows } }: BatchPlan): Steps<Uint8Array | undefined> {
  if (entropyOf(classes.subarray(0, ROWS_OF_SAMPLE)) * rows.counted < LEAST_BITS) return undefined;
  const hash = createHash('sha256');
  yield* inSteps(classes.length, (from, to) => void hash.update(classes.subarray(from, to)));
  return hash.digest().subarray(0, LABEL_DIGEST_BYTES);
}

/**
 * Digest of the content: of the options that the loss depends on, and of the bits of the row results. The logits are not
 * read again.
 */
function* digestOf({ options, targets }: BatchPlan, { columns }: RowResults): Steps<Uint8Array> {
  const compared = comparable(options);
  const ofTheLoss = OPTIONS_OF_THE_LOSS.map((name) => [name, compared[name]]);
  const hash = createHash('sha256').update(JSON.stringify(Object.fromEntries(ofTheLoss), sortKeys));
  const { nll, uniformNll, weightedNll } = columns;
  const { classes, weights, classWeights } = targets;
  const lse = options.lse_square_scale === 0 ? undefined : columns.lse;
  for (const [name, part] of Object.entries({ nll, uniformNll, weightedNll, lse, classes, weights, classWeights })) {
    if (part === undefined) continue;
    hash.update(`\n${name} ${part.byteLength}\n`);
    yield* inSteps(part.length, (from, to) => void hash.update(part.subarray(from, to)));
  }
  return hash.digest();
}

/** Replacer for JSON.stringify that sorts the keys of objects. */
function sortKeys(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * A pair that was computed elsewhere.
 * @param fields of a request without tensors, as received
 * @throws LossmeterError missing_field, invalid_pair
 */
export function runPair(fields: Readonly<Record<string, unknown>>, recorded: RecordedAs): RunBatch {
  if ((fields['options'] ?? undefined) !== undefined) {
    throw refuse(
      'invalid_pair',
      '/options',
      'options apply to logits only, expected none with numerator and denominator',
    );
  }
  const [numerator, denominator] = PAIR_FIELDS.map((name) => readNumber(name, fields[name])) as [number, number];
  if (denominator < 0) {
    throw refuse(
      'invalid_pair',
      '/denominator',
      `denominator is ${denominator}, expected a number that is not negative`,
    );
  }
  // The loss is 0 when nothing is counted, like the loss of a batch.
  const loss = numerator === 0 && denominator === 0 ? 0 : numerator / denominator;
  const verdict = [loss, numerator, denominator].every(Number.isFinite) ? 'finite' : 'non_finite';
  const causes: Diagnostics['causes'] = denominator === 0 ? [{ cause: 'zero_denominator', rows: 0 }] : [];
  const short = summarize({ verdict, causes, masked_rows_non_finite: 0 }, 0, recorded);
  const summary =
    verdict === 'non_finite' && causes.length === 0 ? `${short}the pair is ${numerator} / ${denominator}` : short;
  return {
    evaluation: { loss, numerator, denominator, diagnostics: { verdict, summary, causes } },
    digest: createHash('sha256')
      .update('pair')
      .update(Float64Array.of(...[numerator, denominator].map(oneOfEach)))
      .digest(),
  };
}

/** Maps all bit patterns of NaN to one, and −0 to 0: they are the same content. */
const oneOfEach = (value: number): number => (Number.isNaN(value) ? Number.NaN : value + 0);

function readNumber(name: (typeof PAIR_FIELDS)[number], value: unknown): number {
  if (value === undefined || value === null) {
    const other = PAIR_FIELDS.find((field) => field !== name);
    const detail = `the field ${name} is missing: expected logits and label, or a pair {"${name}", "${other}"}`;
    throw new LossmeterError('missing_field', detail, [{ pointer: pointerTo(name), detail }]);
  }
  if (typeof value === 'number' || NON_FINITE.has(value)) return Number(value);
  throw refuse('invalid_pair', pointerTo(name), `${name} is ${showValue(value)}, expected a number`);
}
