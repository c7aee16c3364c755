/** Every split of a list, in any order and with repetitions, sums to the same bits. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { evaluateFiles } from '../../../src/cli/evaluate-files.ts';
import { PathFiles } from '../../../src/files/path-files.ts';
import { findFiles } from '../../../src/cli/files.ts';
import type { FoundFile } from '../../../src/cli/files.ts';
import type { PartialKind } from '../../../src/cli/shards/partial.ts';
import { PartialSet } from '../../../src/cli/shards/partial-set.ts';
import { readPartial } from '../../../src/cli/shards/read-partial.ts';
import { digestOf, filesOf } from '../../../src/cli/shards/shard.ts';
import { writeShard } from '../../../src/cli/shards/write-shard.ts';
import { answerFile, compareFile, mergeFiles } from '../../../src/pipeline/compare-files.ts';
import type { ComparedFile } from '../../../src/pipeline/compare-files.ts';
import { addUp, evaluateFile } from '../../../src/pipeline/evaluate-file.ts';
import type { FileEvaluation } from '../../../src/pipeline/evaluate-file.ts';
import {
  restoreComparison,
  restoreEvaluation,
  saveComparison,
  saveEvaluation,
} from '../../../src/pipeline/saved-files.ts';
import type { SavedComparison, SavedEvaluation } from '../../../src/pipeline/saved-files.ts';
import { shareOf } from '../../lists.ts';
import { testConfig } from '../../service.ts';
import { writeFiles } from './small-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-splits-'));
afterAll(() => rmSync(folder, { recursive: true }));

let list: FoundFile[] = [];
let evaluations: FileEvaluation[] = [];
let compared: ComparedFile[] = [];

beforeAll(async () => {
  writeFiles(join(folder, 'finite'), 11, { seed: 21 });
  writeFiles(join(folder, 'bad'), 6, { seed: 22, bad: Number.NaN });
  const options = { metrics: ['ece', 'standard_error', 'sequence_perplexity', 'bits_per_byte'], label_smoothing: 0.1 };
  const config = testConfig();
  const pathFiles = new PathFiles(config);
  const open = (path: string) => pathFiles.open(path);
  list = await findFiles([join(folder, 'finite'), join(folder, 'bad')], pathFiles.storage);
  evaluations = await evaluateFiles(list, config, (path, _index, { pool, ...means }) =>
    evaluateFile(pool, path, { options, open, ...means }),
  );
  compared = await evaluateFiles(list, config, (path, _index, { pool, ...means }) =>
    compareFile(pool, path, { options: {}, names: {}, reference: undefined, open, ...means }),
  );
});

/** Shards in random order, up to three of them twice. */
const split = fc.integer({ min: 1, max: 20 }).chain((of) => {
  const indices = Array.from({ length: of }, (_, k) => k + 1);
  const order = fc.shuffledSubarray(indices, { minLength: of, maxLength: of });
  const again = fc.subarray(indices, { maxLength: Math.min(3, of) });
  return fc.record({ of: fc.constant(of), order: fc.tuple(order, again).map(([each, more]) => [...each, ...more]) });
});

/** Writes and reads the shards of a list. @returns the entries in the order of the list */
async function throughShards(
  kind: PartialKind,
  saved: readonly object[],
  { of, order }: { of: number; order: readonly number[] },
): Promise<unknown[]> {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const set = new PartialSet();
  for (const [time, index] of order.entries()) {
    const path = join(folder, `${time}.json`);
    const files = filesOf({ index, of }, list);
    const own = files.map(({ place }) => saved[place]!);
    await writeShard({ index, of, path }, files, own, { kind, options: {}, tensors: {}, list: digestOf(list) });
    set.add(await readPartial(path));
  }
  log.mockRestore();
  expect(set.missing).toBeUndefined();
  expect(set.repeated).toHaveLength(order.length - of);
  return set.partials.flatMap(({ entries }) => entries).toSorted((a, b) => a.place - b.place);
}

test('of evaluations', async () => {
  const total = addUp(evaluations);
  expect(total.numerator, 'a file has a NaN').toBeNaN();
  const finite = addUp(evaluations.slice(6));
  expect(finite.verdict).toBe('finite');
  const documents = evaluations.map(({ evaluation }) => JSON.stringify(evaluation));
  const property = fc.asyncProperty(split, async (shards) => {
    const entries = await throughShards('evaluation_shard', evaluations.map(saveEvaluation), shards);
    const restored = (entries as SavedEvaluation[]).map(restoreEvaluation);
    expect(addUp(restored)).toStrictEqual(total);
    expect(addUp(restored.slice(6))).toStrictEqual(finite);
    expect(restored.map(({ evaluation }) => JSON.stringify(evaluation))).toEqual(documents);
  });
  await fc.assert(property, { numRuns: shareOf(25, 5) });
});

test('of comparisons', async () => {
  const total = await answerFile(await mergeFiles(compared));
  expect(total.diagnostics.nan_rows).toBeGreaterThan(0);
  const finite = await answerFile(await mergeFiles(compared.slice(6)));
  expect(finite.kl_divergence.percentiles['99']).toBeGreaterThan(0);
  const property = fc.asyncProperty(split, async (shards) => {
    const entries = await throughShards('comparison_shard', compared.map(saveComparison), shards);
    const restored: ComparedFile[] = [];
    for (const entry of entries as SavedComparison[]) restored.push(await restoreComparison(entry));
    expect(await answerFile(await mergeFiles(restored))).toStrictEqual(total);
    expect(await answerFile(await mergeFiles(restored.slice(6)))).toStrictEqual(finite);
  });
  await fc.assert(property, { numRuns: shareOf(25, 5) });
});
