import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { SqliteStore } from '../../../src/runs/sqlite/store.ts';
import { KEPT_AT, compareKept } from '../kept-history.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-kept-'));
afterAll(() => rmSync(folder, { recursive: true }));

// `recordKept` and VACUUM INTO made the files. The number counts the migrations. Files are never regenerated.
test.each([4])('a history of schema version %i opens, is converted, and goes on', async (version) => {
  const path = join(folder, `${version}.db`);
  copyFileSync(new URL(`../../fixtures/history/sqlite-${version}.db`, import.meta.url), path);
  const kept = new SqliteStore(path, () => KEPT_AT);
  const fresh = new SqliteStore(':memory:', () => KEPT_AT);
  const compared = await compareKept(kept, fresh);
  expect(compared.kept).toEqual(compared.fresh);
  await kept.close();
  await fresh.close();
});
