import type { FollowerPosition } from '../follower.ts';
import type { PostgresDatabase } from './database.ts';
import type { Notices } from './notices.ts';

/**
 * Position that the replicas share. The leader reports; after its loss, the next leader continues from the position.
 * Changes that were reported just before the loss may be reported again.
 */
export class SharedPosition implements FollowerPosition {
  readonly #database: PostgresDatabase;
  readonly #notices: Notices;
  readonly #name: string;

  /** @param name of the follower, such as `webhook` */
  constructor(database: PostgresDatabase, notices: Notices, name: string) {
    this.#database = database;
    this.#notices = notices;
    this.#name = name;
  }

  async take(): Promise<number | undefined> {
    if (!this.#notices.leads) return undefined;
    const row = await this.#database.first(
      `INSERT INTO lossmeter.positions (name, sequence)
        VALUES ($1, coalesce((SELECT max(sequence) FROM lossmeter.steps), 0))
        ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING sequence`,
      this.#name,
    );
    return Number(row!['sequence']);
  }

  async keep(sequence: number): Promise<void> {
    await this.#database.rows('UPDATE lossmeter.positions SET sequence = $2 WHERE name = $1', this.#name, sequence);
  }
}
