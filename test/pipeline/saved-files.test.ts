import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { parseExact, stringifyExact } from '../../src/cli/shards/exact-json.ts';
import { PathFiles } from '../../src/files/path-files.ts';
import { KernelPool } from '../../src/engine/pool.ts';
import { answerFile, compareFile } from '../../src/pipeline/compare-files.ts';
import type { ComparedFile } from '../../src/pipeline/compare-files.ts';
import { restoreComparison, saveComparison } from '../../src/pipeline/saved-files.ts';
import type { SavedComparison } from '../../src/pipeline/saved-files.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { encodeElements } from '../../src/wire/tensors/elements.ts';
import { HeldBytes } from '../../src/wire/body/held-bytes.ts';
import { safetensorsFile } from '../safetensors-file.ts';
import { testConfig } from '../service.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-saved-'));
const config = testConfig();
const pool = new KernelPool({ ...config, maxSlabBytes: config.maxBytesInFlight });
const held = new HeldBytes(config.maxBytesInFlight);
const pathFiles = new PathFiles(config);
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await pool.close();
});

const ROWS = 1000;
const CLASSES = 5;

const column = (name: string, dtype: 'float32' | 'int32', shape: number[], valueAt: (k: number) => number): Tensor => ({
  dtype,
  shape,
  data: encodeElements(
    name,
    dtype,
    Array.from({ length: shape.reduce((a, b) => a * b) }, (_, k) => valueAt(k)),
  ),
});

const logits = column('logits', 'float32', [ROWS, CLASSES], (k) => Math.sin(k));
const reference = column('reference', 'float32', [ROWS, CLASSES], (k) => Math.sin(k) + 0.01 * Math.cos(3 * k));
const label = column('label', 'int32', [ROWS], (k) => k % CLASSES);
const mask = column('input_mask', 'float32', [ROWS], (k) => 1 + (k % 3));

async function compare(more: Record<string, Tensor>): Promise<ComparedFile> {
  const path = join(folder, 'rows.safetensors');
  writeFileSync(path, safetensorsFile(Object.entries({ logits, reference, ...more })));
  return compareFile(pool, path, {
    ...{ options: {}, names: {}, reference: undefined, held },
    open: (one: string) => pathFiles.open(one),
  });
}

const withInfinity: Tensor = { ...logits, data: logits.data.slice() };
new DataView(withInfinity.data.buffer).setFloat32(0, -Infinity, true);

test.each([
  ['without labels', {}, 27],
  ['with labels', { label }, 48],
  ['with labels and masks', { label, input_mask: mask }, 59],
  ['with an infinite divergence', { label, logits: withInfinity }, 54],
] as const)('rows %s are restored to the same answer', async (_what, more, bytesPerRow) => {
  const compared = await compare(more);
  const text = stringifyExact(saveComparison(compared));
  expect(await answerFile(await restoreComparison(parseExact(text) as SavedComparison))).toStrictEqual(
    await answerFile(compared),
  );
  // The head of a file takes about 1,300 bytes.
  expect((text.length - 1300) / ROWS).toBeLessThan(bytesPerRow);
  expect(text.length / ROWS).toBeGreaterThan(bytesPerRow - 1);
});

test('a file of too many rows is refused, with the bound', async () => {
  const compared = await compare({});
  const classes = new Int32Array(2 ** 23 + 1);
  const large = { ...compared, plan: { ...compared.plan, targets: { ...compared.plan.targets, classes } } };
  expect(() => saveComparison(large)).toThrow('has 8388609 rows, a partial holds at most 8388608 of a file: divide it');
});
