import type { StepRange } from '../record.ts';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { groupSize, shareOfNonFinite } from '../points-share.ts';
import type { Statements } from './statements.ts';

/** Most steps per statement: other calls run between two statements. */
const STEPS_AT_ONCE = 50_000;

/** Steps of one kind, found by the index for that kind. */
const FINITE = 'steps INDEXED BY steps_of_finite_loss WHERE loss IS NOT NULL AND run = ? AND step BETWEEN ? AND ?';
const NON_FINITE = 'steps INDEXED BY steps_not_finite WHERE non_finite = 1 AND run = ? AND step BETWEEN ? AND ?';
type Kind = typeof FINITE | typeof NON_FINITE;

/** Consecutive steps of one kind. */
interface Piece {
  first: number;
  last: number;
}

/** Step with the least or the greatest loss. */
interface Extreme {
  step: number;
  loss: number;
}

/**
 * Picks the steps that show the shape of a curve. These are the first and the last step; the non-finite steps, or the
 * ends of groups of them; and the least and the greatest loss of buckets with equally many finite losses. When not all
 * fit, non-finite steps get half of the points, or more when the finite steps need fewer. Each turn reads one snapshot of
 * the database; steps that vanish between two turns are left out.
 * @param run id of the run
 * @param maxPoints largest number of steps, at least 4
 * @returns steps, ascending
 */
export async function pickSteps(
  statements: Statements,
  run: number,
  range: StepRange,
  maxPoints: number,
): Promise<number[]> {
  const sampler = new Sampler(statements, run, range);
  const { some, last } = statements.snapshot(() => ({ some: sampler.first(maxPoints + 1), last: sampler.last() }));
  if (some.length <= maxPoints) return some;
  const picked = new Set([some[0]!, last]);
  const left = maxPoints - picked.size;
  const nonFinite = await sampler.count(NON_FINITE);
  // For a whole run without non-finite steps, the run's row has the number.
  const known = nonFinite === 0 ? sampler.stepsOfWhole() : undefined;
  const finite = known ?? (await sampler.count(FINITE));
  const share = shareOfNonFinite(left, { nonFinite, finite });
  for (const step of await sampler.ends(nonFinite, share)) picked.add(step);
  // Most runs have every step: their buckets need no search.
  const isDense = known !== undefined && known === last - some[0]! + 1;
  const buckets = Math.floor((left - share) / 2);
  for (const step of await sampler.extremes(finite, buckets, isDense)) picked.add(step);
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

  /** The first steps of the range. */
  first(limit: number): number[] {
    const rows = this.#statements.arrays(
      'SELECT step FROM steps WHERE run = ? AND step BETWEEN ? AND ? ORDER BY step LIMIT ?',
      this.#run,
      this.#range.from,
      this.#range.to,
      limit,
    ) as [number][];
    return rows.map(([step]) => step);
  }

  /** The last step of the range, which is not empty. */
  last(): number {
    const sql = 'SELECT max(step) FROM steps WHERE run = ? AND step BETWEEN ? AND ?';
    return this.#row(sql, this.#range.from, this.#range.to)[0]!;
  }

  /** Number of steps of the run; undefined when the range does not cover all of them. */
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

  /** The first and the last step of equally large groups of non-finite steps. */
  async ends(count: number, maxPoints: number): Promise<number[]> {
    if (maxPoints === 0) return [];
    const size = groupSize(count, maxPoints);
    const ends: number[] = [];
    for await (const group of this.#groups(NON_FINITE, size)) ends.push(group[0]!.first, group.at(-1)!.last);
    return maxPoints === 1 ? ends.slice(0, 1) : ends;
  }

  /** The steps with the least and the greatest loss in buckets of equally many finite losses. */
  async extremes(count: number, buckets: number, isDense: boolean): Promise<number[]> {
    if (count === 0 || buckets === 0) return [];
    const steps: number[] = [];
    for await (const bucket of this.#groups(FINITE, Math.ceil(count / buckets), isDense)) {
      let least: Extreme | undefined;
      let greatest: Extreme | undefined;
      for (const piece of bucket) {
        const found = this.#statements.snapshot(() => this.#extremesOf(piece));
        if (found !== undefined && found.least.loss < (least?.loss ?? Infinity)) ({ least } = found);
        if (found !== undefined && found.greatest.loss > (greatest?.loss ?? -Infinity)) ({ greatest } = found);
        if (bucket.length > 1) await nextTurn();
      }
      for (const extreme of [least, greatest]) if (extreme !== undefined) steps.push(extreme.step);
    }
    return steps;
  }

  /** The least and the greatest finite loss of some steps; undefined when all of them vanished. */
  #extremesOf({ first, last }: Piece): { least: Extreme; greatest: Extreme } | undefined {
    const [least, greatest] = this.#row(`SELECT min(loss), max(loss) FROM ${FINITE}`, first, last);
    if (typeof least !== 'number' || typeof greatest !== 'number') return undefined;
    const sql = 'SELECT min(step) FROM steps WHERE run = ? AND step BETWEEN ? AND ? AND loss = ?';
    const at = (loss: number): Extreme => ({ loss, step: this.#row(sql, first, last, loss)[0]! });
    return { least: at(least), greatest: at(greatest) };
  }

  /**
   * All steps of a kind in equally large groups. Each group is a list of pieces.
   * @param isDense true when all steps from the first to the last are of the kind
   */
  async *#groups(kind: Kind, size: number, isDense = false): AsyncGenerator<Piece[]> {
    const sql = `SELECT step FROM ${kind} ORDER BY step LIMIT 1 OFFSET ?`;
    const end = this.#row(`SELECT max(step) FROM ${kind}`, this.#range.from, this.#range.to)[0];
    if (end === null || end === undefined) return;
    let group: Piece[] = [];
    let [inGroup, worked] = [0, 0];
    for (let { from } = this.#range; from <= end;) {
      const count = Math.min(size - inGroup, STEPS_AT_ONCE);
      const piece = this.#statements.snapshot((): Piece | undefined => {
        if (isDense && from > this.#range.from) return { first: from, last: Math.min(from + count - 1, end) };
        const first = this.#row(sql, from, end, 0)[0];
        return typeof first === 'number' ? { first, last: this.#row(sql, first, end, count - 1)[0] ?? end } : undefined;
      });
      // The steps vanished, because a trainer resumed before them.
      if (piece === undefined) break;
      const { last } = piece;
      group.push(piece);
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
    if (group.length > 0) yield group;
  }

  #row(sql: string, from: number, to: number, ...others: number[]): (number | null)[] {
    return (this.#statements.arrays(sql, this.#run, from, to, ...others)[0] ?? []) as (number | null)[];
  }
}
