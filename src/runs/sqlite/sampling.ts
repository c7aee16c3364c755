import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StepRange } from '../store.ts';
import type { Statements } from './statements.ts';

/** Steps that one statement goes over at most: other calls have their turn between two. */
const STEPS_AT_ONCE = 50_000;

/** Steps of one kind, by the index that holds no others. */
const FINITE = 'steps INDEXED BY steps_of_finite_loss WHERE loss IS NOT NULL AND run = ? AND step BETWEEN ? AND ?';
const NON_FINITE = 'steps INDEXED BY steps_not_finite WHERE non_finite = 1 AND run = ? AND step BETWEEN ? AND ?';
type Kind = typeof FINITE | typeof NON_FINITE;

/** Consecutive steps of one kind. */
interface Piece {
  first: number;
  last: number;
}

/**
 * Steps that show a curve: the first and the last; those that are not finite, or the ends of groups of them; and the least
 * and the greatest loss of each bucket of equally many finite losses.
 *
 * Where not all fit, those that are not finite get half of the points, or what the finite ones leave.
 * @param run id of the run
 * @param maxPoints how many steps at most, from 4 on
 * @returns steps, ascending
 */
export async function pickSteps(
  statements: Statements,
  run: number,
  range: StepRange,
  maxPoints: number,
): Promise<number[]> {
  const some = statements.arrays(
    'SELECT step FROM steps WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step LIMIT ?',
    ...[run, range.from, range.to, maxPoints + 1],
  ) as [number][];
  if (some.length <= maxPoints) return some.map(([step]) => step);
  const sampler = new Sampler(statements, run, range);
  const picked = new Set([some[0]![0], sampler.last()]);
  const left = maxPoints - picked.size;
  const nonFinite = await sampler.count(NON_FINITE);
  // Where all steps are wanted and all are finite, the run knows their number.
  const known = nonFinite === 0 ? sampler.stepsOfWhole() : undefined;
  const finite = known ?? (await sampler.count(FINITE));
  const share = Math.min(nonFinite, Math.max(1, Math.floor(left / 2), left - finite));
  for (const step of await sampler.ends(nonFinite, share)) picked.add(step);
  for (const step of await sampler.extremes(finite, Math.floor((left - share) / 2))) picked.add(step);
  return [...picked].toSorted((a, b) => a - b);
}

class Sampler {
  readonly #statements: Statements;
  readonly #run: number;
  readonly #range: StepRange;

  constructor(statements: Statements, run: number, range: StepRange) {
    this.#statements = statements;
    this.#run = run;
    this.#range = range;
  }

  /** The last step of the range. */
  last(): number {
    const sql = 'SELECT max(step) FROM steps WHERE run = ? AND step BETWEEN ? AND ?';
    return this.#row(sql, this.#range.from, this.#range.to)[0]!;
  }

  /** Number of steps of the run; undefined where the range leaves out some. */
  stepsOfWhole(): number | undefined {
    const sql = `SELECT steps FROM runs WHERE id = ?
      AND (SELECT min(step) FROM steps WHERE run = runs.id) >= ? AND (SELECT max(step) FROM steps WHERE run = runs.id) <= ?`;
    return this.#row(sql, this.#range.from, this.#range.to)[0] ?? undefined;
  }

  async count(kind: Kind): Promise<number> {
    for await (const pieces of this.#groups(kind, Infinity)) {
      const { first, last } = pieces.at(-1)!;
      const rest = this.#row(`SELECT count(*) FROM ${kind}`, first, last)[0]!;
      return (pieces.length - 1) * STEPS_AT_ONCE + rest;
    }
    return 0;
  }

  /** The first and the last step of groups of equally many non-finite steps. */
  async ends(count: number, maxPoints: number): Promise<number[]> {
    if (maxPoints === 0) return [];
    const size = count <= maxPoints ? 1 : Math.ceil(count / Math.max(1, Math.floor(maxPoints / 2)));
    const ends: number[] = [];
    for await (const group of this.#groups(NON_FINITE, size)) ends.push(group[0]!.first, group.at(-1)!.last);
    return maxPoints === 1 ? ends.slice(0, 1) : ends;
  }

  /** The steps of the least and of the greatest loss of buckets of equally many finite losses. */
  async extremes(count: number, buckets: number): Promise<number[]> {
    if (count === 0 || buckets === 0) return [];
    const steps: number[] = [];
    for await (const bucket of this.#groups(FINITE, Math.ceil(count / buckets))) {
      let [least, greatest] = [Infinity, -Infinity];
      for (const { first, last } of bucket) {
        const found = this.#row(`SELECT min(loss), max(loss) FROM ${FINITE}`, first, last);
        least = Math.min(least, found[0]!);
        greatest = Math.max(greatest, found[1]!);
        if (bucket.length > 1) await nextTurn();
      }
      const sql = 'SELECT min(step) FROM steps WHERE run = ? AND step BETWEEN ? AND ? AND loss = ?';
      const [{ first }, { last }] = [bucket[0]!, bucket.at(-1)!];
      for (const loss of [least, greatest]) steps.push(this.#row(sql, first, last, loss)[0]!);
    }
    return steps;
  }

  /** All steps of a kind in groups of equally many, each in pieces. */
  async *#groups(kind: Kind, size: number): AsyncGenerator<Piece[]> {
    const sql = `SELECT step FROM ${kind} ORDER BY step LIMIT 1 OFFSET ?`;
    const end = this.#row(`SELECT max(step) FROM ${kind}`, this.#range.from, this.#range.to)[0];
    if (end === null || end === undefined) return;
    let group: Piece[] = [];
    let [inGroup, worked] = [0, 0];
    for (let { from } = this.#range; from <= end;) {
      const count = Math.min(size - inGroup, STEPS_AT_ONCE);
      const first: number = this.#row(sql, from, end, 0)[0]!;
      const last: number = this.#row(sql, first, end, count - 1)[0] ?? end;
      group.push({ first, last });
      from = last + 1;
      inGroup += count;
      if (inGroup === size || last === end) {
        yield group;
        [group, inGroup] = [[], 0];
      }
      worked += count;
      if (worked < STEPS_AT_ONCE) continue;
      worked = 0;
      await nextTurn();
    }
  }

  #row(sql: string, from: number, to: number, ...others: number[]): (number | null)[] {
    return (this.#statements.arrays(sql, this.#run, from, to, ...others)[0] ?? []) as (number | null)[];
  }
}
