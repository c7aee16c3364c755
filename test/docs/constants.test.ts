/** Compares numbers in sentences of the documentation with the constants of the program. */
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/environment.ts';
import { SPIKE_RULE, spikeThreshold } from '../../src/loss/spike.ts';
import { MOST_KEPT, MOST_SEQUENCES, MOST_WORST_TOKENS } from '../../src/contract/limits.ts';
import { ENTRIES_PER_STEP } from '../../src/steps.ts';
import { encodeRequest, MSGPACK, Service } from '../service.ts';
import { read } from './pages.ts';

/** The numbers that a pattern finds on a page. */
function numbersIn(path: string, pattern: RegExp): number[] {
  const found = pattern.exec(read(path));
  if (found === null) throw new Error(`${path} has nothing like ${pattern}`);
  return found.slice(1).map((digits) => Number(digits.replaceAll(',', '')));
}

test('what a spike is', () => {
  const words = numbersIn(
    'docs/diagnostics.md',
    /the last (\d+) finite losses[\s\S]+?median \+ (\d+) · max\(([\d.]+) · MAD, ([\d.]+) · \|median\|\)[\s\S]+? With fewer than (\d+)\slosses in the window/,
  );
  const [window, deviations = 0, toDeviation = 0, floor = 0, minimum] = words;
  expect(SPIKE_RULE).toEqual({ deviations, floor, window, minimum });
  // The median absolute deviation of these losses is 1.
  const losses = Array.from({ length: minimum! }, (_, k) => [1, 1, 2, 3, 3][k % 5]!);
  const sorted = losses.toSorted((a, b) => a - b);
  const median = (sorted[losses.length / 2 - 1]! + sorted[losses.length / 2]!) / 2;
  expect(spikeThreshold(losses)).toBeCloseTo(median + deviations * toDeviation, 12);
  expect(spikeThreshold(losses.slice(1))).toBeUndefined();
});

const defaults = loadConfig({});

test.each([
  ['docs/runs.md', /are kept up to the first (\d+);/, MOST_KEPT],
  ['docs/architecture.md', /generators that yield every ([\d,]+) entries/, ENTRIES_PER_STEP],
  ['docs/compare.md', /A\s+request may have ([\d,]+) sequences/, MOST_SEQUENCES],
  ['docs/sequences.md', /A request may have ([\d,]+) segments/, MOST_SEQUENCES],
  ['docs/sequences.md', /More than ([\d,]+) sequences are refused/, MOST_SEQUENCES],
  ['docs/compare.md', /the (\d+) greatest/, MOST_WORST_TOKENS],
  ['docs/faq.md', /a body of (\d+) GiB/, defaults.maxBodyBytes / 2 ** 30],
  ['docs/faq.md', /a row of (\d+) MiB/, defaults.maxRowBytes / 2 ** 20],
  ['docs/faq.md', /together hold at most (\d+) GiB/, defaults.maxBytesInFlight / 2 ** 30],
] as const)('%s: %s', (path, pattern, value) => {
  expect(numbersIn(path, pattern)).toEqual([value]);
});

describe('the account of a request', () => {
  const frugal = Service.start({ maxBytesInFlight: 2 ** 20 });
  const rows = 65_536;
  const label = { dtype: 'uint8', shape: [rows], data: new Uint8Array(rows) };
  const logits = { dtype: 'float16', shape: [rows, 1], data: new Uint8Array(2 * rows) };
  const whole = { vocab_start: 0, vocab_size: 2 };
  const [each = 0, ofGradient = 0, ofShard = 0] = numbersIn(
    'docs/limits.md',
    /\| rows \| (\d+) per row; (\d+) more with a gradient or its norm; (\d+) more for a shard/,
  );
  const [ofDiagnosis = 0] = numbersIn('docs/limits.md', /\| `\/v1\/diagnose` \| (\d+) per row/);

  test.each<[string, string, object, number]>([
    ['a row', '/v1/cross-entropy', {}, each],
    ['a row with its gradient', '/v1/cross-entropy', { options: { outputs: ['gradient'] } }, each + ofGradient],
    [
      'a row with the norm',
      '/v1/cross-entropy',
      { options: { check_for_nan_in_loss_and_grad: true } },
      each + ofGradient,
    ],
    ['a row of a shard', '/v1/cross-entropy/partials', whole, each + ofShard],
    ['a row of a diagnosis', '/v1/diagnose', {}, ofDiagnosis],
  ])('%s takes what docs/limits.md says', async (_what, path, others, bytes) => {
    const body = encodeRequest({ ...others, label, logits }, MSGPACK);
    const { status, body: problem } = await frugal.post(body, { type: MSGPACK, path });
    expect(status).toBe(413);
    expect(problem.detail).toContain(`the results of ${rows} rows, ${bytes} bytes each`);
  });

  test('a token and a sequence of a comparison take what docs/limits.md says', async () => {
    const pattern = /\| `\/v1\/logprobs\/compare` \| (\d+) per token and (\d+) per sequence/;
    const [ofToken, ofSequence] = numbersIn('docs/limits.md', pattern);
    const detailOf = async (shape: readonly number[]): Promise<string> => {
      const old = { dtype: 'float8_e5m2', shape, data: new Uint8Array(shape[0]! * shape[1]!) };
      const body = encodeRequest({ old, new: old }, MSGPACK);
      return (await frugal.post(body, { type: MSGPACK, path: '/v1/logprobs/compare' })).body.detail;
    };
    expect(await detailOf([1, rows])).toContain(`${rows} tokens, ${ofToken} bytes each`);
    expect(await detailOf([4096, 0])).toContain(`4096 sequences, ${ofSequence} bytes each`);
  });
});
