/** The backup and the restore of docs/deploy.md. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ALL, recording } from '../runs/recordings.ts';
import { makeDatabase, openReplica } from './databases.ts';
import { program } from './server.ts';

const key = (step: number) => ({ run: 'r', step, rank: 0, microBatch: 0, attempt: 0 });

test('a backup that is made while a trainer records is whole, and the trainer goes on with what is restored', async () => {
  const url = await makeDatabase();
  const store = await openReplica(url);
  for (let step = 0; step < 50; step++) await store.record(key(step), recording(step));
  const folder = mkdtempSync(join(tmpdir(), 'lossmeter-backup-'));
  try {
    const file = join(folder, 'lossmeter.dump');
    const recordings = (async () => {
      for (let step = 50; step < 150; step++) await store.record(key(step), recording(step));
    })();
    execFileSync(program('pg_dump'), ['--format=custom', '--schema=lossmeter*', `--file=${file}`, url]);
    await recordings;
    const restored = await makeDatabase();
    execFileSync(program('pg_restore'), ['--no-owner', `--dbname=${restored}`, file]);
    const again = await openReplica(restored);
    const { batches, steps } = (await again.run('r'))!;
    expect(batches).toBeGreaterThanOrEqual(50);
    expect(steps).toBe(batches);
    // The client sends recordings again: some exist in the restored history, and others do not.
    const outcomes = new Set<string>();
    for (let step = 40; step < 150; step++) outcomes.add(await again.record(key(step), recording(step)));
    expect(outcomes.isSubsetOf(new Set(['created', 'repeated']))).toBe(true);
    const comparable = async (one: typeof store) =>
      (await one.steps('r', ALL, 500)).map((step) => ({ ...step, recordedAt: 0, sequence: 0 }));
    expect(await comparable(again)).toEqual(await comparable(store));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
