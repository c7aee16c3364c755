/** The gradient against central differences of the service's own float64 loss, under every option that changes it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Evaluation } from '../../src/contract/cross-entropy.ts';
import { shareOf } from '../lists.ts';
import { elements, evaluate, tensor } from './batches.ts';

/** Parts of a request. With a shift, the rows of logits, labels and masks are one sequence. */
interface Scene {
  logits: number[][];
  label: number[] | number[][];
  mask: number[] | undefined;
  weight: number[] | undefined;
  options: Record<string, unknown>;
}

/** Generators of the varied parts; undefined keeps the default. */
interface Variations {
  probabilities: fc.Arbitrary<boolean>;
  mask: fc.Arbitrary<'mask' | undefined>;
  weight: fc.Arbitrary<'weight' | undefined>;
  invalid_label: fc.Arbitrary<'zero_loss' | undefined>;
  ignore_index: fc.Arbitrary<number | number[] | undefined>;
  reduction: fc.Arbitrary<string | undefined>;
  semantics: fc.Arbitrary<string | undefined>;
  calculate_per_token_loss: fc.Arbitrary<boolean | undefined>;
  label_smoothing: fc.Arbitrary<number | undefined>;
  lse_square_scale: fc.Arbitrary<number | undefined>;
  softcap: fc.Arbitrary<number | undefined>;
  logit_scale: fc.Arbitrary<number | undefined>;
  shift: fc.Arbitrary<number | undefined>;
}

const sometimes = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });

const between = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });

/** Values of each option that have an effect. */
const IN_FORCE = {
  probabilities: fc.constant(true),
  mask: fc.constant('mask' as const),
  weight: fc.constant('weight' as const),
  invalid_label: fc.constant('zero_loss' as const),
  ignore_index: fc.constantFrom<number | number[]>(0, [0, 1]),
  reduction: fc.constantFrom('sum', 'none'),
  semantics: fc.constantFrom('torch', 'megatron'),
  calculate_per_token_loss: fc.constant(true),
  label_smoothing: between(0.01, 1),
  lse_square_scale: between(0.01, 0.5),
  softcap: between(1, 20),
  logit_scale: between(0.25, 2),
  shift: fc.integer({ min: 1, max: 3 }),
};

/** Options that apply to class indices only. */
const OF_INDICES = new Set(['ignore_index', 'invalid_label']);

const VARIATIONS: Variations = {
  ...IN_FORCE,
  ...Object.fromEntries(Object.entries(IN_FORCE).map(([name, arbitrary]) => [name, sometimes<unknown>(arbitrary)])),
  probabilities: fc.constantFrom(false, false, true),
};

/** Small batches of float64 logits under options that are combined at random. */
function scenes(forced: Partial<Variations>): fc.Arbitrary<Scene> {
  const sizes = fc.record({ rows: fc.integer({ min: 1, max: 5 }), classes: fc.integer({ min: 2, max: 5 }) });
  const varied = fc.record<{ [K in keyof Variations]: Variations[K] extends fc.Arbitrary<infer T> ? T : never }>({
    ...VARIATIONS,
    ...forced,
  });
  return fc.tuple(sizes, varied).chain(([{ rows, classes }, { probabilities, mask, weight, ...options }]) => {
    const perRow = <T>(entry: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
      fc.array(entry, { minLength: rows, maxLength: rows });
    const perClass = <T>(entry: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
      fc.array(entry, { minLength: classes, maxLength: classes });
    const { ignore_index, invalid_label, ...others } = options;
    const ofIndices = probabilities ? {} : { ignore_index, invalid_label };
    const last = classes - 1;
    const weights = others.semantics === 'torch' ? [0, 0.5, 1, 3, -0.5, -2] : [0, 0.5, 1, 3];
    // Megatron does not allow a label smoothing of 1.
    const smoothing = others.semantics === 'megatron' && others.label_smoothing === 1 ? 0.99 : others.label_smoothing;
    const classIndex =
      invalid_label === undefined ? fc.integer({ min: 0, max: last }) : fc.integer({ min: -1, max: classes });
    return fc.record<Scene>({
      logits: perRow(perClass(between(-4, 4))),
      label: probabilities ? perRow(perClass(fc.constantFrom(0, 0.25, 0.5, 1, -0.125))) : perRow(classIndex),
      mask: mask === undefined ? fc.constant(undefined) : perRow(fc.constantFrom(0, 0.25, 1, 2.75)),
      weight: weight === undefined ? fc.constant(undefined) : perClass(fc.constantFrom(...weights)),
      options: fc.constant(
        Object.fromEntries(
          Object.entries({ ...others, ...ofIndices, label_smoothing: smoothing }).filter(
            ([, value]) => value !== undefined,
          ),
        ),
      ),
    });
  });
}

function evaluateScene({ logits, label, mask, weight, options }: Scene, outputs: string[] = []): Promise<Evaluation> {
  const [rows, classes] = [logits.length, logits[0]!.length];
  return evaluate({
    options: { ...options, outputs },
    label: Array.isArray(label[0]) ? tensor('float64', [rows, classes], (label as number[][]).flat()) : label,
    ...(mask && { input_mask: tensor('float64', [rows], mask) }),
    ...(weight && { weight: tensor('float64', [classes], weight) }),
    logits: tensor('float64', [rows, classes], logits.flat()),
  });
}

/** The differentiated value: the loss, or the sum of the row losses when there is no loss. */
function objective({ loss, numerator, z_loss }: Evaluation): number {
  return loss ?? numerator + z_loss;
}

/** True for a counted row whose label is a class. By definition the gradient of all other rows is 0. */
function isScored({ logits, label, mask, options }: Scene, row: number): boolean {
  const { shift = 0, ignore_index = -100 } = options as { shift?: number; ignore_index?: number | number[] };
  const y = label[row + shift];
  if (y === undefined || mask?.[row + shift] === 0) return false;
  return typeof y === 'object' || (![ignore_index].flat().includes(y) && y >= 0 && y < logits[0]!.length);
}

/** Elements of the gradient that differ from central differences, or from 0 in rows without a gradient. */
async function wrongElements(scene: Scene): Promise<object[]> {
  const evaluation = await evaluateScene(scene, ['gradient']);
  const gradient = elements(evaluation, 'gradient');
  // Weights that cancel can make the loss infinite, here or at a neighbouring point. Such a loss has no differences:
  // test/routes/negative-weights.test.ts tests its gradient.
  fc.pre(Math.abs(objective(evaluation)) !== Infinity);
  const bound = 2e-8 * Math.max(1, Math.abs(objective(evaluation)));
  const wrong: object[] = [];
  for (const [row, logits] of scene.logits.entries()) {
    for (const [c, x] of logits.entries()) {
      const g = gradient[row * logits.length + c]!;
      if (!isScored(scene, row)) {
        if (g !== 0) wrong.push({ row, c, g });
        continue;
      }
      const difference = await centralDifference(scene, row, c, 1e-5 * Math.max(1, Math.abs(x)));
      fc.pre(Math.abs(difference) !== Infinity);
      // With a denominator of 0, PyTorch's mean and its gradient are NaN.
      const ok = Number.isNaN(difference) ? Number.isNaN(g) : Math.abs(g - difference) <= bound;
      if (!ok) wrong.push({ row, c, g, difference });
    }
  }
  return wrong;
}

async function centralDifference(scene: Scene, row: number, c: number, step: number): Promise<number> {
  const x = scene.logits[row]![c]!;
  const [below, above] = [x - step, x + step];
  const at = async (value: number): Promise<number> =>
    objective(await evaluateScene({ ...scene, logits: scene.logits.with(row, scene.logits[row]!.with(c, value)) }));
  return ((await at(above)) - (await at(below))) / (above - below);
}

describe('central differences confirm the gradient', () => {
  test('of a plain mean', async () => {
    const plain = Object.fromEntries(Object.keys(IN_FORCE).map((name) => [name, fc.constant(undefined)]));
    await fc.assert(
      fc.asyncProperty(scenes({ ...plain, probabilities: fc.constant(false) }), async (scene) => {
        expect(await wrongElements(scene)).toEqual([]);
      }),
      { numRuns: shareOf(25, 3) },
    );
  });

  test.each(Object.entries(IN_FORCE))('under %s, combined with every other option', async (name, arbitrary) => {
    const forced = { [name]: arbitrary, ...(OF_INDICES.has(name) && { probabilities: fc.constant(false) }) };
    await fc.assert(
      fc.asyncProperty(scenes(forced), async (scene) => {
        expect(await wrongElements(scene)).toEqual([]);
      }),
      { numRuns: shareOf(25, 3) },
    );
  });
});
