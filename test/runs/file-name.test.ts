import fc from 'fast-check';
import { expect, test } from 'vitest';
import { attachmentOf } from '../../src/runs/file-name.ts';
import { runName } from './names.ts';

test.each([
  ['gpt-1b.seed-7', 'attachment; filename="gpt-1b.seed-7-steps.csv"'],
  ['lr=1e-4,bs=32', 'attachment; filename="lr=1e-4,bs=32-steps.csv"'],
  ['meta-llama/Llama-2-7b', 'attachment; filename="meta-llama_Llama-2-7b-steps.csv"'],
  ['.hidden', 'attachment; filename="_hidden-steps.csv"'],
  [`50% "é"`, `attachment; filename="50_ ___-steps.csv"; filename*=UTF-8''50%25%20_%C3%A9_-steps.csv`],
  ["it's*", `attachment; filename="it_s_-steps.csv"; filename*=UTF-8''it%27s_-steps.csv`],
])('the download of %s has the header %s', (run, header) => {
  expect(attachmentOf(run, '-steps.csv')).toBe(header);
});

test('a header is plain text with a file name that every file system takes', () => {
  fc.assert(
    fc.property(runName, (run) => {
      const header = attachmentOf(run, '-batches.jsonl');
      expect(header).toMatch(/^attachment; filename="[\w .~=,+@()-]+"(; filename\*=UTF-8''[\w.~!%-]+)?$/);
      const [, encoded] = header.split("UTF-8''");
      const name = encoded === undefined ? /"(.*)"/.exec(header)![1]! : decodeURIComponent(encoded);
      expect(name.isWellFormed()).toBe(true);
      expect(Buffer.byteLength(name)).toBeLessThan(255);
      expect(name).toMatch(/^[^./\\:*?"<>|\p{Bidi_Control}][^/\\:*?"<>|]*-batches\.jsonl$/u);
    }),
    { numRuns: 500 },
  );
});
