import type { ClientBase } from 'pg';
import { NewerSchemaError } from './explain.ts';
import { MIGRATION_LOCK } from './locks.ts';
import { MIGRATIONS } from './migrations/index.ts';

/**
 * Brings the schema `lossmeter` up to date, in one transaction under a lock. When several replicas start at the same
 * time, one migrates and the others wait.
 * @throws NewerSchemaError
 */
export async function migrate(client: ClientBase): Promise<void> {
  if ((await versionOf(client)) === MIGRATIONS.length) return;
  await client.query('BEGIN');
  try {
    // A migration may take longer than a statement of the service.
    await client.query('SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0');
    await client.query(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
    const version = await versionOf(client);
    if (version === 0) {
      await client.query('CREATE SCHEMA IF NOT EXISTS lossmeter');
      await client.query('CREATE TABLE IF NOT EXISTS lossmeter.schema_version (version bigint NOT NULL)');
    }
    for (const migration of MIGRATIONS.slice(version)) await client.query(migration);
    await client.query('DELETE FROM lossmeter.schema_version');
    await client.query('INSERT INTO lossmeter.schema_version VALUES ($1)', [MIGRATIONS.length]);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

/** @throws NewerSchemaError */
async function versionOf(client: ClientBase): Promise<number> {
  // The function to_regclass() reads a cache, which may lack a table that another replica has just created.
  const { rowCount } = await client.query(
    "SELECT FROM pg_tables WHERE schemaname = 'lossmeter' AND tablename = 'schema_version'",
  );
  if (rowCount === 0) return 0;
  const { rows } = await client.query<{ version: number }>('SELECT version FROM lossmeter.schema_version');
  const version = rows[0]?.version ?? 0;
  if (version <= MIGRATIONS.length) return version;
  throw new NewerSchemaError(
    `its schema is version ${version}, this Lossmeter knows ${MIGRATIONS.length}: run the newer version of Lossmeter`,
  );
}
