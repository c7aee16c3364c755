/** Streams long answers page by page: memory never holds the whole text or all rows. */
import type { StepRange } from './record.ts';
import { LossmeterError } from '../errors.ts';
import type { ExportFormat } from './export.ts';
import type { RunPages, TextPage } from './pages.ts';
import { formatCursor } from './run-query.ts';
import type { ScalarPlace } from './scalars.ts';
import type { RunPlace, RunQuery } from './run-query.ts';
import { MOST_STEPS } from './store.ts';
import type { BatchPlace, RunCounts, RunStore } from './store.ts';

/** Pages of the history, independent of the thread that makes them. */
export type Pages = Pick<RunPages, keyof RunPages>;

/** A piece of an answer. */
export type Piece = string | Uint8Array;

/** Most steps in a page of a curve: with long summaries they fill half of an answer's buffer. */
const CURVE_STEPS = MOST_STEPS / 2;

/** `{"steps": […], "next": "…"}`: the steps of a range, `limit` at most. */
export async function* stepListJson(
  pages: Pages,
  run: string,
  { from, to }: StepRange,
  limit: number,
): AsyncGenerator<Piece, void> {
  const read = (place: number, left: number): Promise<TextPage<number>> =>
    pages.stepsJson(run, { from: place, to }, left);
  yield* listJson('steps', limit, from, ofOneRun(run, read));
}

/**
 * `{"steps": […]}`: a sample of the steps in a range that shows the shape of the curve.
 * @param maxPoints largest number of steps
 */
export async function* curveJson(
  { store, pages }: { store: RunStore; pages: Pages },
  run: string,
  range: StepRange,
  maxPoints: number,
): AsyncGenerator<Piece, void> {
  const id = await store.idOf(run);
  const steps = await store.pickSteps(run, range, maxPoints);
  const read = async (at: number): Promise<TextPage<number>> => {
    const page = await pages.stepsJsonAt(run, steps.slice(at, at + CURVE_STEPS));
    return { ...page, next: at + CURVE_STEPS < steps.length ? at + CURVE_STEPS : undefined };
  };
  yield* listJson<number>('steps', Infinity, 0, ofOneRun(run, read, id));
}

/**
 * `{"runs": […], "next": "…", "total": …, "active": …, "non_finite": …}`: a list of runs, `limit` at most.
 * @param after place of the cursor; undefined for the first page, the only page with counts
 */
export async function* runListJson(
  pages: Pages,
  query: RunQuery,
  limit: number,
  after: RunPlace | undefined,
): AsyncGenerator<Piece, void> {
  let counts: RunCounts | undefined;
  const read = async (place: RunPlace | undefined, left: number): Promise<TextPage<RunPlace>> => {
    const page = await pages.runsJson(query, left, place);
    counts ??= page.counts;
    return page;
  };
  const endOf = (next: RunPlace | undefined): string =>
    (next === undefined ? '' : nextJson(formatCursor(query, next))) + (counts === undefined ? '' : countsJson(counts));
  yield* listJson('runs', limit, after, read, endOf);
}

const countsJson = ({ total, active, nonFinite }: RunCounts): string =>
  `,"total":${total},"active":${active},"non_finite":${nonFinite}`;

const nextJson = (cursor: string): string => `,"next":"${cursor}"`;

/** A run as lines of text: a line per step, per micro-batch, or per number of a scalar. */
export async function* exportLines(
  pages: Pages,
  run: string,
  of: 'steps' | 'batches' | 'scalars',
  format: ExportFormat,
): AsyncGenerator<Piece, void> {
  for await (const { text } of exportPages(pages, run, of, format)) yield text;
}

function exportPages(pages: Pages, run: string, of: 'steps' | 'batches' | 'scalars', format: ExportFormat) {
  if (of === 'steps') {
    return readAhead(
      0,
      ofOneRun(run, (place: number) => pages.exportSteps(run, format, place)),
    );
  }
  if (of === 'batches') {
    return readAhead<BatchPlace>(
      { step: 0, rank: 0, microBatch: 0 },
      ofOneRun(run, (place: BatchPlace) => pages.exportBatches(run, format, place)),
    );
  }
  return readAhead<ScalarPlace>(
    { series: -1, attempt: 0, step: 0, rank: 0 },
    ofOneRun(run, (place: ScalarPlace) => pages.exportScalarLines(run, format, place)),
  );
}

/**
 * Reads pages of one run only: after a removal another run may have its name.
 * @param id of the run; the id of the first page by default
 * @returns a function that rejects with LossmeterError not_found when the name belongs to another run
 */
function ofOneRun<Given extends unknown[], Place>(
  run: string,
  read: (...given: Given) => Promise<TextPage<Place>>,
  id?: number,
): (...given: Given) => Promise<TextPage<Place>> {
  return async (...given) => {
    const page = await read(...given);
    id ??= page.runId;
    if (page.runId !== undefined && page.runId === id) return page;
    throw new LossmeterError('not_found', `run ${run} was removed while it was read`);
  };
}

/**
 * An object with a list, followed by other members.
 * @param read reads at most `left` elements from a place on
 * @param endOf returns the members behind the list, given the place of the next element; by default `next` with that
 *   place
 */
async function* listJson<Place>(
  name: string,
  limit: number,
  first: Place,
  read: (place: Place, left: number) => Promise<TextPage<Place & {}>>,
  endOf = (next: Place | undefined): string => (next === undefined ? '' : nextJson(String(next))),
): AsyncGenerator<Piece, void> {
  let left = limit;
  let following: Place | undefined;
  let separator = `{"${name}":[`;
  const all = readAhead<Place>(first, async (place) => {
    const page = await read(place, left);
    left -= page.count;
    if (left > 0) return page;
    following = page.next;
    return { ...page, next: undefined };
  });
  for await (const { text, count } of all) {
    if (count === 0) continue;
    yield separator;
    yield text;
    separator = ',';
  }
  const end = `]${endOf(following)}}`;
  yield separator === ',' ? end : separator + end;
}

/** Yields pages in order. Reads the next page while the current one is sent. */
async function* readAhead<Place>(
  first: Place,
  read: (place: Place) => Promise<TextPage<Place>>,
): AsyncGenerator<TextPage<Place>, void> {
  let reading = read(first);
  for (;;) {
    const page = await reading;
    const { next } = page;
    if (next !== undefined) {
      reading = read(next);
      // Handles the failure of a read that nothing awaits once the client has left.
      reading.catch(() => undefined);
    }
    yield page;
    if (next === undefined) return;
  }
}
