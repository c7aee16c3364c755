import { expect, test } from 'vitest';
import { Progress } from '../../src/cli/progress.ts';

function drawn(isTTY: boolean): string[] {
  const texts: string[] = [];
  const progress = new Progress({ isTTY, columns: 50, write: (text) => texts.push(text) }, 200);
  progress.begin('1/2 a.safetensors');
  progress.add(100);
  progress.begin('2/2 a-name-that-is-too-long-for-the-line.safetensors');
  progress.clear();
  return texts;
}

test('a bar on a terminal shows how much is done, on one line, and goes away', () => {
  expect(drawn(true)).toEqual([
    '\r\x1b[K[..............................]   0 %  1/2 a.saf',
    '\r\x1b[K[###############...............]  50 %  2/2 a-nam',
    '\r\x1b[K',
  ]);
});

test('nothing is drawn on anything else', () => {
  expect(drawn(false)).toEqual([]);
});
