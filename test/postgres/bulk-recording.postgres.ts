import { expect, test } from 'vitest';
import { recordInBulk } from '../e2e/durable-bulk.ts';
import { makeDatabase } from './databases.ts';

test(
  'items of bulk recordings that were acknowledged are there, once, through ten kills and three resumed attempts',
  { timeout: 240_000 },
  async () => {
    expect(await recordInBulk({ LOSSMETER_STORE: await makeDatabase() })).toBe(10);
  },
);
