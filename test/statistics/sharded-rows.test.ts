import { describe, expect, test } from 'vitest';
import { Kernel } from '../../kernels/kernel.ts';
import { LEFT_OUT, NO_TARGET } from '../../kernels/abi.ts';
import type { RowBlock } from '../../kernels/bindings.ts';
import type { Variant } from '../../kernels/instance.ts';
import { mergeShards } from '../../src/statistics/sharded-rows.ts';
import { KERNEL_DTYPES } from '../../src/tensor/dtype.ts';
import type { FloatDType } from '../../src/tensor/dtype.ts';
import { lse, nll } from '../reference.ts';
import { ROWS, decode, encode, seededRandom } from '../rows.ts';

const VARIANTS: readonly Variant[] = ['strict', 'relaxed'];
const COLUMNS = [1, 2, 5, 16, 33, 130];

function makeRows(dtype: FloatDType, classes: number) {
  const random = seededRandom(classes);
  return Object.entries(ROWS).flatMap(([kind, make]) =>
    [0, Math.floor(classes * random()), classes - 1].map((target) => {
      const bytes = encode(dtype, make(classes, target, random));
      return { kind, target, bytes, logits: decode(dtype, bytes) };
    }),
  );
}

/** Evaluates equal shards of the placed block's columns separately, and merges their rows. */
function forwardShards(kernel: Kernel, targets: Int32Array, columns: number, shards: number): RowBlock {
  const parts = Array.from({ length: shards }, (_, k) => {
    const within = targets.map((y) => {
      if (y < 0) return y;
      return Math.floor(y / columns) === k ? y % columns : NO_TARGET;
    });
    return { within, rows: kernel.forwardColumns(k * columns, columns, within) };
  });
  return mergeShards(
    parts.map(({ rows }) => rows),
    parts.map(({ within }) => within),
  );
}

describe.each(KERNEL_DTYPES)('rows of %s', (dtype) => {
  const bound = dtype === 'float64' ? 1e-12 : 2e-6;
  const relative = dtype === 'float64' ? 1e-12 : 1e-5;

  test.each([1, 2, 3, 4, 5, 6, 7])('merged from %i shards are those of the whole vocabulary', (shards) => {
    for (const variant of VARIANTS) {
      const kernel = Kernel.load(variant);
      for (const columns of COLUMNS) {
        const classes = columns * shards;
        const rows = makeRows(dtype, classes);
        const targets = Int32Array.from(rows, (row) => row.target);
        kernel.place({ dtype, classes, targets, logits: Buffer.concat(rows.map((row) => row.bytes)) });
        const whole = kernel.forward();
        const merged = forwardShards(kernel, targets, columns, shards);
        const { nanCount, posInfCount, negInfCount, targetLogit } = whole;
        expect(merged).toMatchObject({ nanCount, posInfCount, negInfCount, targetLogit });
        const wrong = rows.flatMap(({ kind, target, logits }, r) => {
          const [wantedLse, wantedNll] = [lse(logits), nll(logits, target)];
          // Rounding of a large loss.
          const place = 2 ** -52 * wantedNll;
          const ok =
            // One last place of float32.
            agree(merged.lse[r]!, whole.lse[r]!, 2 ** -23 * Math.max(1, Math.abs(whole.lse[r]!))) &&
            agree(merged.lse[r]!, wantedLse, bound + 2 ** -51 * Math.abs(wantedLse)) &&
            agree(merged.nll[r]!, wantedNll, bound + place) &&
            agree(merged.nll[r]!, wantedNll, relative * Math.max(wantedNll, 1e-6) + place);
          return ok
            ? []
            : [{ variant, columns, kind, target, got: [merged.lse[r], merged.nll[r]], wantedLse, wantedNll }];
        });
        expect(wrong).toEqual([]);
      }
    }
  });

  test('without a target have an lse and the nll 0, rows left out only their counts', () => {
    const kernel = Kernel.load();
    const rows = makeRows(dtype, 99);
    const logits = Buffer.concat(rows.map((row) => row.bytes));
    const none = new Int32Array(rows.length).fill(NO_TARGET);
    kernel.place({ dtype, classes: 99, targets: none, logits });
    const whole = kernel.forward();
    const merged = forwardShards(kernel, none, 33, 3);
    expect(merged.nll).toEqual(whole.nll);
    rows.forEach(({ kind, logits }, r) => {
      expect(agree(merged.lse[r]!, lse(logits), bound + 2 ** -51 * Math.abs(lse(logits))), kind).toBe(true);
    });
    const leftOut = forwardShards(kernel, none.fill(LEFT_OUT), 33, 3);
    expect([leftOut.nll, leftOut.nanCount]).toEqual([whole.nll, whole.nanCount]);
  });
});

test('a shard that is −Inf throughout merges as nothing', () => {
  const kernel = Kernel.load();
  const logits = [-Infinity, -Infinity, 1, 2];
  kernel.place({ dtype: 'float64', classes: 4, targets: Int32Array.of(2), logits: encode('float64', logits) });
  const merged = forwardShards(kernel, Int32Array.of(2), 2, 2);
  expect(merged.lse[0]).toBeCloseTo(Math.log(Math.E + Math.E ** 2), 14);
  expect(merged.nll[0]).toBeCloseTo(Math.log(1 + Math.E), 14);
});

function agree(actual: number, expected: number, bound: number): boolean {
  return Number.isFinite(expected) ? Math.abs(actual - expected) <= bound : Object.is(actual, expected);
}
