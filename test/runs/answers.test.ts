import { expect, test } from 'vitest';
import { curveJson, exportLines, stepListJson } from '../../src/runs/answers.ts';
import type { Piece } from '../../src/runs/answers.ts';
import { RunPages } from '../../src/runs/pages.ts';
import type { BatchKey } from '../../src/runs/record.ts';
import { SqliteStore } from '../../src/runs/sqlite/store.ts';
import { ALL, recording } from './recordings.ts';

const STEPS = 3000;
const key = (step: number): BatchKey => ({ run: 'r', step, attempt: 0, rank: 0, microBatch: 0 });

async function fill(store: SqliteStore, loss: number): Promise<void> {
  await store.recordAll(Array.from({ length: STEPS }, (_, step) => ({ key: key(step), recording: recording(loss) })));
}

test.each<[string, (store: SqliteStore, pages: RunPages) => AsyncGenerator<Piece, void>]>([
  ['list', (_, pages) => stepListJson(pages, 'r', ALL, STEPS)],
  ['curve', (store, pages) => curveJson({ store, pages }, 'r', ALL, STEPS)],
  ['export of steps', (_, pages) => exportLines(pages, 'r', 'steps', 'jsonl')],
  ['export of batches', (_, pages) => exportLines(pages, 'r', 'batches', 'csv')],
])('a %s of a run that another one of its name follows has rows of the former alone, and fails', async (_, answer) => {
  const store = new SqliteStore(':memory:');
  await fill(store, 1);
  let text = '';
  const read = async (): Promise<void> => {
    for await (const piece of answer(store, new RunPages(store))) {
      if (text === '') {
        await store.remove('r');
        await fill(store, 7);
      }
      text += typeof piece === 'string' ? piece : new TextDecoder().decode(piece);
    }
  };
  await expect(read()).rejects.toThrow('run r was removed or renamed while it was read');
  expect(text).not.toMatch(/"loss":7|,7,/);
  await store.close();
});
