import { expect, test } from 'vitest';
import { RunPages } from '../../src/runs/pages.ts';
import type { RecordedDiagnostics } from '../../src/contract/runs.ts';
import type { RecordedBatch } from '../../src/runs/record.ts';
import { SqliteStore } from '../../src/runs/sqlite/store.ts';

/** Bytes of the text of a page: half of what an answer holds, with the page that is read ahead. */
const MOST_BYTES = 256 * 1024;

const place = { row: 17, column: 20_011, value: 'NaN', is_label: false, masked: false } as const;

const diagnosticsOf = (locations: number, summary: string): RecordedDiagnostics =>
  ({
    ...{ verdict: 'non_finite', summary, causes: [{ cause: 'nan_logit', rows: 1, first: place }] },
    ...{ locations: Array.from({ length: locations }, () => place) },
  }) as unknown as RecordedDiagnostics;

test.each([
  ['many places', 64, 's'],
  ['few places', 1, 'NaN in 1 of 1 row'],
  ['long summaries', 0, 's'.repeat(400)],
])(
  'pages of a step of 1,000 batches, each of a rank of its own, with %s stay within their account',
  async (_, locations, summary) => {
    const store = new SqliteStore(':memory:');
    const diagnostics = diagnosticsOf(locations, summary);
    const recording = { numerator: 1 / 3, denominator: 1e300 / 7, diagnostics, digest: new Uint8Array(1) };
    await store.recordAll(
      Array.from({ length: 1000 }, (__, k) => ({
        ...{ key: { run: 'r', step: 1, attempt: 0, rank: 3 * k, microBatch: 1_048_575 }, recording },
      })),
    );
    const pages = new RunPages(store);
    const seen: number[] = [];
    for (
      let from: RecordedBatch | { step: number; rank: number; microBatch: number } | undefined = {
        step: 1,
        rank: 0,
        microBatch: 0,
      };
      from !== undefined;
    ) {
      const page = await store.stepPage('r', from, 500);
      const { text } = (await pages.stepJson('r', from, 500))!;
      expect(text.length).toBeLessThanOrEqual(MOST_BYTES);
      expect((await pages.exportBatches('r', 'jsonl', from)).text.length).toBeLessThanOrEqual(MOST_BYTES);
      seen.push(...page!.ranks.map(({ rank }) => rank));
      from = page!.next;
    }
    expect(seen).toEqual(Array.from({ length: 1000 }, (__, k) => 3 * k));
    await store.close();
  },
);

test('pages of steps with long summaries stay within their account', async () => {
  const store = new SqliteStore(':memory:');
  const diagnostics = diagnosticsOf(0, 's'.repeat(400));
  await store.recordAll(
    Array.from({ length: 1000 }, (_, step) => ({
      key: { run: 'r', step, attempt: 0, rank: 0, microBatch: 0 },
      recording: { numerator: 1 / 3, denominator: 1e300 / 7, diagnostics, digest: new Uint8Array(1) },
    })),
  );
  const pages = new RunPages(store);
  const listed: number[] = [];
  for (let from: number | undefined = 0; from !== undefined;) {
    const page = await pages.stepsJson('r', { from, to: Number.MAX_SAFE_INTEGER }, 1000);
    const { text: exported, count } = await pages.exportSteps('r', 'jsonl', from);
    for (const { length } of [page.text, exported]) expect(length).toBeLessThanOrEqual(MOST_BYTES);
    expect(count).toBe(page.count);
    for (const [, step] of new TextDecoder().decode(page.text).matchAll(/"step":(\d+)/g)) listed.push(Number(step));
    from = page.next;
  }
  expect(listed).toEqual(Array.from({ length: 1000 }, (_, step) => step));
  const some = Array.from({ length: 250 }, (_, step) => step);
  expect((await pages.stepsJsonAt('r', some)).text.length).toBeLessThanOrEqual(MOST_BYTES);
  await store.close();
});
