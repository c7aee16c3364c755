/** Compares the loss that a trainer declares with the loss under the given options, and under other options. */
import { LEFT_OUT, NO_TARGET } from '../../../kernels/abi.ts';
import { classUnit } from '../../../kernels/class-unit.ts';
import type { DeclaredLoss, ReproducedByOptions } from '../../contract/declared.ts';
import { isDeclared, nearestOf } from '../../loss/declared.ts';
import type { Candidate } from '../../loss/declared.ts';
import { labelWeight } from '../../loss/denominators.ts';
import type { Options } from '../../loss/options.ts';
import type { Targets } from '../../loss/targets.ts';
import { inSteps } from '../../steps.ts';
import type { Steps } from '../../steps.ts';
import { CompensatedSum } from '../../summation.ts';
import type { RowResults } from '../../engine/block-writer.ts';
import type { BatchPlan } from './plan.ts';

type Reproduced = ReproducedByOptions;

/** Label smoothings that are tried: multiples of SMOOTHING_GRID up to MOST_SMOOTHING. */
const SMOOTHING_GRID = 0.01;
const MOST_SMOOTHING = 0.5;

/** Scales of a z-loss that are tried. */
const Z_SCALES = [-5, -4, -3, -2].flatMap((exponent) => [1, 2, 5].map((digit) => Number(`${digit}e${exponent}`)));

/** Sums over the counted rows of one selection of rows and labels. */
interface Sums {
  /** Σ m·w_y·nll, Σ m·(1/C)·Σ_c w_c·(lse − x_c), and Σ m·lse². */
  target: number;
  uniform: number;
  squares: number;
  /** Σ m·w_y, Σ m, and the number of counted rows. */
  denominator: number;
  mass: number;
  counted: number;
  /** Σ nll, without weights. */
  nll: number;
}

/** Loss of a pair, or loss that the service computed from a batch. */
interface Computed {
  loss?: number | undefined;
  numerator: number;
  denominator: number;
}

/** Compares a declared loss with a pair. */
export function compareWithPair(declared: number, computed: Computed): DeclaredLoss {
  return compare(declared, computed, function* () {
    yield* inOtherUnits(meanOf(computed), {});
    yield [{ normalisation: 'sum' }, computed.numerator];
  });
}

/** Compares a declared loss with the loss of a batch. */
export function* compareWithBatch(
  declared: number,
  computed: Computed,
  batch: BatchPlan,
  { columns }: RowResults,
): Steps<DeclaredLoss> {
  const { options, targets, others } = batch;
  const { nll, weightedNll, lseOfAll, uniformOfAll, nllEarlier, nllLater } = columns;
  if (others === undefined || lseOfAll === undefined || uniformOfAll === undefined) {
    return compareWithPair(declared, computed);
  }
  const share = classUnit(batch.classes) / batch.classes;
  const rows = { lse: lseOfAll, uniform: uniformOfAll, share };
  const sums = yield* sumRows(targets, { ...rows, nll, weightedNll });
  const shifts: [number, Sums][] = [];
  if (targets.probabilities === undefined) {
    if (others.earlier !== undefined)
      shifts.push([options.shift - 1, yield* sumRows(others.earlier, { ...rows, nll: nllEarlier! })]);
    shifts.push([options.shift + 1, yield* sumRows(others.later, { ...rows, nll: nllLater! })]);
  }
  const isSmoothed = targets.classWeights === undefined || batch.smoothing > 0;
  return compare(declared, computed, (changes) =>
    candidatesOf({ sums, shifts, total: targets.rows.total, batch, isSmoothed, changes }),
  );
}

/** @param candidatesOf yields losses under a given number of changed options */
function compare(
  declared: number,
  computed: Computed,
  candidatesOf: (changes: number) => Iterable<Candidate<Reproduced>>,
): DeclaredLoss {
  const loss = computed.loss ?? meanOf(computed);
  const agrees = isDeclared(declared, loss) || isDeclared(declared, meanOf(computed));
  const relative = Object.is(declared, loss) || declared === loss ? 0 : (declared - loss) / Math.abs(loss);
  const about = { loss, declared_loss: declared, relative_difference: relative, agrees };
  if (agrees) return about;
  const by = nearestOf(declared, candidatesOf(1)) ?? nearestOf(declared, candidatesOf(2));
  return { ...about, reproduced_by: by ?? null };
}

/** N / D, or 0 when nothing is counted. */
const meanOf = ({ numerator, denominator }: Computed): number =>
  numerator === 0 && denominator === 0 ? 0 : numerator / denominator;

function* sumRows(
  { classes, weights, ...targets }: Pick<Targets, 'classes' | 'weights' | 'probabilities' | 'classWeights'>,
  {
    nll,
    weightedNll,
    lse,
    uniform,
    share,
  }: {
    nll: Float64Array;
    weightedNll?: Float64Array | undefined;
    lse: Float64Array;
    uniform: Float64Array;
    share: number;
  },
): Steps<Sums> {
  const sums = Array.from({ length: 6 }, () => new CompensatedSum());
  let counted = 0;
  yield* inSteps(classes.length, (from, to) => {
    for (let row = from; row < to; row++) {
      const y = classes[row]!;
      if (y === LEFT_OUT) continue;
      const m = weights?.[row] ?? 1;
      const w = labelWeight(targets, y);
      counted++;
      sums[3]!.add(m * w);
      sums[4]!.add(m);
      if (y === NO_TARGET) continue;
      sums[0]!.add(m * (weightedNll?.[row] ?? w * nll[row]!));
      sums[1]!.add(m * share * uniform[row]!);
      sums[2]!.add(m * lse[row]! ** 2);
      sums[5]!.add(nll[row]!);
    }
  });
  const [target, uniformTerm, squares, denominator, mass, plain] = sums.map(({ value }) => value) as [
    ...[number, number, number, number, number, number],
  ];
  return { target, uniform: uniformTerm, squares, denominator, mass, counted, nll: plain };
}

interface Given {
  sums: Sums;
  shifts: readonly (readonly [shift: number, sums: Sums])[];
  /** Number of all rows, including rows left out. */
  total: number;
  batch: BatchPlan;
  /** True when the sum over all classes includes the class weights, so that other label smoothings can be tried. */
  isSmoothed: boolean;
  /** Number of options that differ. */
  changes: number;
}

/** An option, as it is given or changed. */
interface Choice<Value> {
  value: Value;
  name: Reproduced;
}

/** Ways to compute the loss of a batch in which a given number of options differ. */
function* candidatesOf({ sums, shifts, total, batch, isSmoothed, changes }: Given): Generator<Candidate<Reproduced>> {
  const { options } = batch;
  const selections: Choice<Sums>[] = [
    { value: sums, name: {} },
    ...shifts.map(([shift, value]) => ({ value, name: { shift } })),
  ];
  const smoothings: Choice<number>[] = [{ value: batch.smoothing, name: {} }];
  if (batch.smoothing !== 0) smoothings.push({ value: 0, name: { label_smoothing: 0 } });
  if (isSmoothed && changes === 1) smoothings.push(...otherSmoothings(batch.smoothing));
  const scales: Choice<number>[] = [{ value: options.lse_square_scale, name: {} }];
  if (options.lse_square_scale !== 0) scales.push({ value: 0, name: { lse_square_scale: 0 } });
  if (changes === 1)
    scales.push(
      ...Z_SCALES.map((value) => ({ value, name: { lse_square_scale: value } })).filter(
        ({ value }) => value !== options.lse_square_scale,
      ),
    );
  for (const selected of selections) {
    for (const smoothing of smoothings) {
      for (const scale of scales) {
        const before = { ...selected.name, ...smoothing.name, ...scale.name };
        const changed = Object.keys(before).length;
        if (changed > changes) continue;
        const own = normalised(selected.value, { smoothing: smoothing.value, scale: scale.value, total, options });
        for (const [name, loss] of own) {
          if (changed + Object.keys(name).length === changes) yield [{ ...before, ...name }, loss];
          if (changed + Object.keys(name).length + 1 === changes) yield* inOtherUnits(loss, { ...before, ...name });
        }
      }
    }
  }
}

const otherSmoothings = (own: number): Choice<number>[] =>
  Array.from(
    { length: Math.round(MOST_SMOOTHING / SMOOTHING_GRID) },
    (_, k) => (k + 1) / Math.round(1 / SMOOTHING_GRID),
  )
    .filter((value) => value !== own)
    .map((value) => ({ value, name: { label_smoothing: value } }));

/** Yields the loss from its sums, with the given normalisation and semantics and with others. */
function* normalised(
  { target, uniform, squares, denominator, mass, counted, nll }: Sums,
  { smoothing, scale, total, options }: { smoothing: number; scale: number; total: number; options: Options },
): Generator<Candidate<Reproduced>> {
  const numerator = (1 - smoothing) * target + (smoothing === 0 ? 0 : smoothing * uniform);
  const z = scale === 0 ? 0 : scale * squares;
  const over = (tokens: number, rows: number): number => numerator / tokens + (z === 0 ? 0 : z / rows);
  yield [{}, over(denominator, mass)];
  yield [{ normalisation: 'sum' }, numerator + z];
  if (total !== denominator) yield [{ normalisation: 'mean_over_all_rows' }, over(total, total)];
  if (counted !== denominator) {
    yield [{ normalisation: 'mean_over_counted_rows' }, over(counted, counted)];
    if (smoothing === 0 && z === 0) yield [{ normalisation: 'mean_without_weights' }, nll / counted];
  }
  const { semantics } = options;
  if (semantics !== 'megatron') yield [{ semantics: 'megatron' }, over(Math.max(denominator, 1), Math.max(mass, 1))];
  if (semantics !== 'mindformers') yield [{ semantics: 'mindformers' }, over(denominator + 1e-8, mass + 1e-8)];
}

function* inOtherUnits(loss: number, name: Reproduced): Generator<Candidate<Reproduced>> {
  yield [{ ...name, unit: 'bits_per_token' }, loss / Math.LN2];
  yield [{ ...name, unit: 'perplexity' }, Math.exp(loss)];
}
