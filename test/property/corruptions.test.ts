/** Corrupted batches: the diagnostics must equal the findings of a plain loop. */
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { Evaluator } from '../../src/pipeline/evaluator.ts';
import type { CauseReport, Place } from '../../src/diagnostics/causes.ts';
import type { Diagnostics, RangeReport } from '../../src/contract/diagnostics.ts';
import { KernelPool } from '../../src/engine/pool.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { KernelDType } from '../../src/tensor/dtype.ts';
import { shareOf } from '../lists.ts';
import { decode, encode } from '../rows.ts';
import { LIMITS, evaluate } from './batches.ts';

/** Pools with slabs of one to many rows, on one to three workers, and one that evaluates inline. */
const POOLS = (
  [
    [1, 64],
    [2, 512],
    [3, 4096],
    [1, 2 ** 20, 2 ** 20],
  ] as const
).map(
  ([workers, slabBytes, inlineLogits = 0]) =>
    new KernelPool({
      ...{ workers, slabBytes, inlineLogits, kernel: 'auto' },
      ...{ maxRowBytes: 2 ** 26, maxSlabBytes: 2 ** 22 },
    }),
);
const evaluators = POOLS.map((pool) => new Evaluator(pool, LIMITS));
afterAll(() => Promise.all(POOLS.map((pool) => pool.close())));

const IGNORED = -100;
/** Values that corrupt a tensor. 65,504 is the greatest float16, and 2^-20 is subnormal in float16. */
const KINDS = [Number.NaN, Infinity, -Infinity, 65_504, 2 ** -20] as const;

interface Corrupted {
  dtype: KernelDType;
  classes: number;
  labels: number[];
  mask: number[];
  logits: number[];
  evaluator: number;
  mostLocations: number;
  /** Requested outputs. Some of them require the evaluation of every row. */
  outputs: string[];
}

const corrupted: fc.Arbitrary<Corrupted> = fc
  .record({
    dtype: fc.constantFrom(...KERNEL_DTYPES),
    rows: fc.integer({ min: 1, max: 80 }),
    // Rows narrower than a vector, as wide as a tile, and wider.
    classes: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 250, max: 530 })),
    evaluator: fc.nat({ max: POOLS.length - 1 }),
    seed: fc.integer(),
    mostLocations: fc.constantFrom(0, 1, 16, 1000),
    outputs: fc.constantFrom<string[]>([], ['lse'], ['entropy', 'per_token_loss']),
  })
  .chain(({ rows, classes, ...others }) =>
    fc.record({
      ...{ dtype: fc.constant(others.dtype), classes: fc.constant(classes) },
      ...{ evaluator: fc.constant(others.evaluator), mostLocations: fc.constant(others.mostLocations) },
      outputs: fc.constant(others.outputs),
      labels: array(rows, fc.oneof({ weight: 9, arbitrary: fc.nat({ max: classes - 1 }) }, fc.constant(IGNORED))),
      mask: array(rows, fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.constant(0))),
      logits: fc
        .array(
          fc.record({
            kind: fc.constantFrom(...KINDS),
            row: fc.nat({ max: rows - 1 }),
            // Corrupts one or two classes, or all classes from one on.
            from: fc.nat({ max: classes - 1 }),
            span: fc.constantFrom(1, 1, 1, 2, classes),
          }),
          { minLength: 1, maxLength: 6 },
        )
        .map((corruptions) => {
          const logits = Array.from({ length: rows * classes }, (_, k) => 8 * Math.sin(others.seed + 7 * k));
          for (const { kind, row, from, span } of corruptions) {
            logits.fill(kind, row * classes + from, Math.min(row * classes + from + span, (row + 1) * classes));
          }
          return logits;
        }),
    }),
  );

function array<T>(length: number, element: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.array(element, { minLength: length, maxLength: length });
}

type Expected = Pick<Diagnostics, 'verdict' | 'causes' | 'logits' | 'locations' | 'masked_rows_non_finite' | 'float16'>;

/** Findings of a loop over the batch. */
function findByLoop({ dtype, classes, labels, mask, logits: given, mostLocations }: Corrupted): Expected {
  const logits = Array.from(decode(dtype, encode(dtype, given)));
  const all: Place[] = [];
  const causes = new Map<CauseReport['cause'], CauseReport>();
  const counts = { nan: 0, pos_inf: 0, neg_inf: 0, bad_rows: 0 };
  const finite: number[] = [];
  const sampled: number[] = [];
  let maskedRows = 0;
  let counted = 0;
  let verdict: Diagnostics['verdict'] = 'finite';
  for (const [row, label] of labels.entries()) {
    const masked = mask[row] === 0 || label === IGNORED;
    const values = logits.slice(row * classes, (row + 1) * classes);
    const bad = values.flatMap((value, column): Place[] => {
      if (Number.isFinite(value)) return [];
      const name = Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
      return [{ row, column, value: name, is_label: !masked && column === label, masked }];
    });
    all.push(...bad);
    if (masked) {
      maskedRows += bad.length > 0 ? 1 : 0;
      continue;
    }
    counted++;
    finite.push(...values.filter(Number.isFinite));
    sampled.push(...values.slice(0, SAMPLED));
    if (bad.length === 0) continue;
    counts.bad_rows++;
    const of = (value: Place['value']): Place[] => bad.filter((place) => place.value === value);
    const found = (cause: CauseReport['cause'], first: Place): void => {
      const report = causes.get(cause);
      if (report === undefined) causes.set(cause, { cause, rows: 1, first });
      else report.rows++;
    };
    const [nan, posInf, negInf] = [of('NaN'), of('Infinity'), of('-Infinity')];
    counts.nan += nan.length;
    counts.pos_inf += posInf.length;
    counts.neg_inf += negInf.length;
    if (nan.length > 0) found('nan_logit', nan[0]!);
    if (posInf.length > 0) found('pos_inf_logit', posInf[0]!);
    if (negInf.length === classes) found('all_neg_inf_row', bad[0]!);
    else if (values[label] === -Infinity)
      found(
        'neg_inf_at_label',
        bad.find(({ column }) => column === label)!,
      );
    if (nan.length + posInf.length > 0 || values[label] === -Infinity) verdict = 'non_finite';
  }
  const order = ['nan_logit', 'pos_inf_logit', 'all_neg_inf_row', 'neg_inf_at_label'] as const;
  return {
    verdict,
    causes: [
      ...order.flatMap((cause) => causes.get(cause) ?? []),
      ...(counted === 0 ? [{ cause: 'zero_denominator', rows: 0 } as const] : []),
    ],
    logits: { ...counts, ...(finite.length > 0 && { max: Math.max(...finite) + 0 }) },
    locations: all.slice(0, mostLocations),
    masked_rows_non_finite: maskedRows,
    ...(dtype === 'float16' && { float16: findFloat16(finite, sampled, counts.pos_inf) }),
  };
}

/** Number of values of each row that are sampled for subnormal values. */
const SAMPLED = 256;

function findFloat16(finite: readonly number[], sampled: readonly number[], infinite: number): RangeReport {
  const largest = finite.filter((x) => x === 65_504).length;
  const subnormal = sampled.filter((x) => x !== 0 && Math.abs(x) < 2 ** -14).length;
  return {
    at_largest: largest,
    subnormal_fraction: sampled.length === 0 ? 0 : subnormal / sampled.length,
    ...(largest + infinite > 0 && { hint: expect.stringContaining('overflow of float16') as string }),
  };
}

test('every corruption is found, with exact counts and the exact first place', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(corrupted, async (batch) => {
      const { dtype, classes, labels, mask, logits, evaluator, mostLocations, outputs } = batch;
      const { diagnostics } = await evaluate(
        {
          options: { max_locations: mostLocations, outputs },
          label: labels,
          input_mask: mask,
          logits: { dtype, shape: [labels.length, classes], data: encode(dtype, logits) },
        },
        evaluators[evaluator],
      );
      expect(diagnostics).toMatchObject(findByLoop(batch));
    }),
    { numRuns: shareOf(500, 16) },
  );
});
