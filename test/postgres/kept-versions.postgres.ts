import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { KEPT_AT, compareKept } from '../runs/kept-history.ts';
import { makeDatabase, openReplica } from './databases.ts';
import { program } from './server.ts';

// `recordKept` and `pg_dump --schema=lossmeter --no-owner` made the files. The number counts the migrations. An existing
// file is never regenerated.
test.each([1])('a history of schema version %i opens, is converted, and goes on', async (version) => {
  const url = await makeDatabase();
  const dump = fileURLToPath(new URL(`../fixtures/history/postgres-${version}.sql`, import.meta.url));
  execFileSync(program('psql'), ['--quiet', '--set=ON_ERROR_STOP=1', '--output=/dev/null', `--file=${dump}`, url]);
  const kept = await openReplica(url, { now: () => KEPT_AT });
  const fresh = await openReplica(await makeDatabase(), { now: () => KEPT_AT });
  const compared = await compareKept(kept, fresh);
  expect(compared.kept).toEqual(compared.fresh);
});
