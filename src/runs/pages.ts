/** Pages of the history as text. The store thread makes them; the event loop passes their bytes on without parsing. */
import { stringify } from '../wire/json-text/stringify.ts';
import type { AttemptQuery } from './attempt-steps.ts';
import type { FactStore } from './batch-facts.ts';
import { compareRuns } from './comparison.ts';
import { judgeStep } from './disagreement/judge-step.ts';
import { readReruns } from './disagreement/reruns.ts';
import { csvLine, exportText } from './export.ts';
import type { ExportFormat, ExportedRow } from './export.ts';
import type { CurvePoint, StepRange } from './record.ts';
import type { RunPlace, RunQuery } from './run-query.ts';
import { MOST_STEPS } from './store.ts';
import type { BatchPlace, RunCounts, RunStore } from './store.ts';
import type { ScalarPlace, ScalarQuery } from './scalars.ts';
import { wireBatch, wirePoint, wireRow, wireScalar, wireScalarPage, wireStep, wireSteps, wireSummary } from './wire.ts';
import { wireComparison, wireReruns } from './wire-reruns.ts';

/** Some rows as text. */
export interface TextPage<Place> {
  text: Uint8Array<ArrayBuffer>;
  /** Number of rows. */
  count: number;
  /** Place of the next row; undefined at the end. */
  next: Place | undefined;
  /** Id of the run of all rows; undefined for a removed run and for pages of several runs. */
  runId: number | undefined;
}

/** Some runs of a list as text. */
export interface RunTextPage extends TextPage<RunPlace> {
  /** Counts over all pages; undefined on further pages. */
  counts: RunCounts | undefined;
}

/** Events of steps that changed. */
export interface EventPage {
  text: Uint8Array<ArrayBuffer>;
  /** Sequence number of the last change; undefined for a page without events. */
  last: number | undefined;
  isFull: boolean;
  /** Id of the run; undefined for a removed run. */
  runId: number | undefined;
}

/** Most characters of summaries and causes in a page of steps. */
const MOST_CHARACTERS = 64 * 1024;

/** Most numbers in a page of an export. */
const MOST_EXPORTED = 2000;

/** Most steps in a page of events. */
const MOST_EVENTS = 200;

const encoder = new TextEncoder();

/** Elements of a JSON array, without its brackets. */
const elements = (values: readonly object[]): Uint8Array<ArrayBuffer> => encoder.encode(stringify(values).slice(1, -1));

/** Pages of runs as text. Unknown runs have empty pages. */
export class RunPages {
  readonly #store: RunStore & FactStore;

  constructor(store: RunStore & FactStore) {
    this.#store = store;
  }

  /**
   * Steps of a range as elements of a JSON array. `next` is the step after the page; undefined at the end of the range.
   */
  async stepsJson(run: string, range: StepRange, limit: number): Promise<TextPage<number>> {
    return this.#ofOne(run, async () => {
      const points = await this.#store.steps(run, range, Math.min(limit + 1, MOST_STEPS));
      const shown = fitting(points.slice(0, Math.min(limit, MOST_STEPS - 1)));
      return { text: pointElements(shown), count: shown.length, next: points[shown.length]?.step };
    });
  }

  /** The given steps as elements of a JSON array. */
  async stepsJsonAt(run: string, steps: readonly number[]): Promise<TextPage<number>> {
    return this.#ofOne(run, async () => {
      const points = await this.#store.stepsAt(run, steps);
      return { text: pointElements(points), count: points.length, next: undefined };
    });
  }

  /** Runs of a list as elements of a JSON array. */
  async runsJson(query: RunQuery, limit: number, after: RunPlace | undefined): Promise<RunTextPage> {
    const { runs, next, counts } = await this.#store.runs(query, limit, after);
    const text = elements(runs.map((run) => wireSummary(run)));
    return { text, count: runs.length, next, runId: undefined, counts };
  }

  /** A step with some of its batches, as JSON; undefined for an unknown step. */
  async stepJson(run: string, from: BatchPlace, limit: number): Promise<{ text: Uint8Array<ArrayBuffer> } | undefined> {
    const page = await this.#store.stepPage(run, from, limit);
    if (page === undefined) return undefined;
    const { step, attempt } = page.point;
    // Judges a step once, not once per page.
    const facts = from.rank === 0 && from.microBatch === 0 ? await this.#store.facts(run) : undefined;
    const judgement = facts && (await judgeStep(facts, { step, attempt }));
    return { text: encoder.encode(stringify(wireStep(run, page, judgement))) };
  }

  /** Steps as lines of an export. */
  async exportSteps(run: string, format: ExportFormat, from: number): Promise<TextPage<number>> {
    return this.#ofOne(run, async () => {
      const points = await this.#store.steps(run, { from, to: Number.MAX_SAFE_INTEGER }, MOST_STEPS);
      const shown = fitting(points);
      const isLast = shown.length === points.length && points.length < MOST_STEPS;
      const next = isLast ? undefined : shown.at(-1)!.step + 1;
      return lines(shown.map(wireRow), { format, isFirst: from === 0, next });
    });
  }

  /** Micro-batches of the steps' highest attempts as lines of an export. */
  async exportBatches(run: string, format: ExportFormat, from: BatchPlace): Promise<TextPage<BatchPlace>> {
    return this.#ofOne(run, async () => {
      const { batches, next } = await this.#store.batchesFrom(run, from, Number.MAX_SAFE_INTEGER);
      const isFirst = from.step === 0 && from.rank === 0 && from.microBatch === 0;
      return lines(batches.map(wireBatch), { format, isFirst, next });
    });
  }

  /** Micro-batches of a step that were computed again, as JSON; undefined for an unknown run. */
  async rerunsJson(
    run: string,
    from: BatchPlace,
    asked: { limit: number; tolerance: number },
  ): Promise<{ text: Uint8Array<ArrayBuffer> } | undefined> {
    const facts = await this.#store.facts(run);
    return facts && { text: encoder.encode(stringify(wireReruns(await readReruns(facts, from, asked)))) };
  }

  /** The first difference of two runs from a place on, as JSON; undefined for an unknown run. */
  async comparisonJson(
    run: string,
    other: string,
    from: BatchPlace,
  ): Promise<{ text: Uint8Array<ArrayBuffer> } | undefined> {
    const [facts, others] = [await this.#store.facts(run), await this.#store.facts(other)];
    if (facts === undefined || others === undefined) return undefined;
    return { text: encoder.encode(stringify(wireComparison(await compareRuns(facts, others, from)))) };
  }

  /** Steps of one attempt, as JSON; undefined for an unknown run. */
  async attemptStepsJson(run: string, query: AttemptQuery): Promise<{ text: Uint8Array<ArrayBuffer> } | undefined> {
    const page = await this.#store.attemptSteps(run, query);
    return page && { text: encoder.encode(stringify(wireSteps(page))) };
  }

  /** The scalars of a run, as JSON; undefined for an unknown run. */
  async scalarsJson(run: string): Promise<{ text: Uint8Array<ArrayBuffer> } | undefined> {
    const scalars = await this.#store.scalars(run);
    return scalars && { text: encoder.encode(stringify({ scalars: scalars.map(wireScalar) })) };
  }

  /** Points of a scalar, as JSON; undefined for an unknown run or name. */
  async scalarJson(
    run: string,
    name: string,
    query: ScalarQuery,
  ): Promise<{ text: Uint8Array<ArrayBuffer> } | undefined> {
    const page = await this.#store.scalarCurve(run, name, query);
    return page && { text: encoder.encode(stringify(wireScalarPage(page))) };
  }

  /** Numbers of all scalars as lines of an export. */
  async exportScalarLines(run: string, format: ExportFormat, from: ScalarPlace): Promise<TextPage<ScalarPlace>> {
    return this.#ofOne(run, async () => {
      const { rows, next } = await this.#store.exportScalars(run, from, MOST_EXPORTED);
      return lines(
        rows.map((row) => ({ ...row })),
        { format, isFirst: from.series === -1, next },
      );
    });
  }

  /** Steps that changed after a sequence number, as server-sent events. */
  async events(run: string, after: number): Promise<EventPage> {
    return this.#ofOne(run, async () => {
      const steps = await this.#store.changedSince(run, after, MOST_EVENTS);
      const text = steps.map((step) => formatEvent('step', wirePoint(step), step.sequence)).join('');
      return {
        text: encoder.encode(text),
        last: steps.at(-1)?.sequence,
        isFull: steps.length === MOST_EVENTS,
      };
    });
  }

  /**
   * Makes a page of one run. Ids are never reused, so the run is unchanged when its id is the same before and after.
   */
  async #ofOne<T extends object>(run: string, make: () => Promise<T>): Promise<T & { runId: number | undefined }> {
    const before = await this.#store.idOf(run);
    const page = await make();
    const after = await this.#store.idOf(run);
    return { ...page, runId: before === after ? before : undefined };
  }
}

/** A server-sent event (WHATWG HTML, 9.2). */
export function formatEvent(name: string, data: object, id?: number): string {
  return `event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${stringify(data)}\n\n`;
}

const pointElements = (points: readonly CurvePoint[]): Uint8Array<ArrayBuffer> => elements(points.map(wirePoint));

/** The first points that fit in a page; at least one. */
function fitting(points: readonly CurvePoint[]): readonly CurvePoint[] {
  let characters = 0;
  const end = points.findIndex(({ summary = '', causes }) => {
    const isFull = characters > MOST_CHARACTERS;
    characters += summary.length + causes.join().length;
    return isFull;
  });
  return end === -1 ? points : points.slice(0, end);
}

/** Rows as lines; in CSV the names of the columns come first. */
function lines<Place>(
  rows: readonly ExportedRow[],
  { format, isFirst, next }: { format: ExportFormat; isFirst: boolean; next: Place | undefined },
): Omit<TextPage<Place>, 'runId'> {
  const head = isFirst && format === 'csv' && rows.length > 0 ? csvLine(Object.keys(rows[0]!)) : '';
  return { text: encoder.encode(head + exportText(rows, format)), count: rows.length, next };
}
