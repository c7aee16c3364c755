import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { recordInBulk } from './durable-bulk.ts';

const folder = mkdtempSync(join(tmpdir(), 'lossmeter-bulk-'));
afterAll(() => rmSync(folder, { recursive: true }));

test(
  'items of bulk recordings that were acknowledged are there, once, through ten kills and three resumed attempts',
  { timeout: 180_000 },
  async () => {
    expect(await recordInBulk({ LOSSMETER_STORE: join(folder, 'runs.db') })).toBe(10);
  },
);
