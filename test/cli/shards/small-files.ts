/** Many small files with every tensor that sums and comparisons use. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DType } from '../../../src/tensor/dtype.ts';
import type { Tensor } from '../../../src/tensor/tensor.ts';
import { encodeElements } from '../../../src/wire/tensors/elements.ts';
import { safetensorsFile } from '../../safetensors-file.ts';

const CLASSES = 7;

/** A generator of numbers in [0, 1) (Park and Miller 1988). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => [random(), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item);
}

const tensor = (name: string, dtype: DType, shape: number[], values: number[]): [string, Tensor] => [
  name,
  { dtype, shape, data: encodeElements(name, dtype, values) },
];

/**
 * Writes files of 1 to 6 rows. Their masks differ so much in magnitude that every sum rounds.
 * @param bad value that replaces a logit in every ninth file
 */
export function writeFiles(folder: string, count: number, { seed = 1, bad }: { seed?: number; bad?: number } = {}) {
  const random = randomNumbers(seed);
  mkdirSync(folder, { recursive: true });
  for (let k = 0; k < count; k++) {
    const rows = 1 + Math.floor(6 * random());
    const rowsOf = <T>(value: (row: number) => T): T[] => Array.from({ length: rows }, (_, row) => value(row));
    const logits = (): number[] => Array.from({ length: rows * CLASSES }, () => 8 * random() - 4);
    const [own, reference] = [logits(), logits()];
    if (bad !== undefined && k % 9 === 4) own[0] = bad;
    const segments = rows > 2 ? [1, rows - 1] : [rows];
    const sizesOf = (most: number): number[] => segments.map(() => 1 + Math.floor(most * random()));
    const tensors = [
      tensor('logits', 'float32', [rows, CLASSES], own),
      tensor('reference', 'float32', [rows, CLASSES], reference),
      tensor(
        'label',
        'int32',
        [rows],
        rowsOf(() => (random() < 0.1 ? -100 : Math.floor(CLASSES * random()))),
      ),
      tensor(
        'input_mask',
        'float64',
        [rows],
        rowsOf(() => 10 ** (12 * random() - 6)),
      ),
      tensor('segments', 'int32', [segments.length], segments),
      tensor('bytes', 'int32', [segments.length], sizesOf(50)),
      tensor('words', 'int32', [segments.length], sizesOf(9)),
    ];
    writeFileSync(join(folder, `${String(k).padStart(3, '0')}.safetensors`), safetensorsFile(tensors));
  }
}
