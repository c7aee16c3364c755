/** Long answers as JSON text in pages: neither the text nor its rows are ever there as a whole. */
import { stringify } from '../wire/json-reply.ts';
import type { CurvePoint } from './record.ts';
import type { RunStore } from './store.ts';
import { wirePoint, wireSummary } from './wire.ts';

/**
 * `{"steps": […], "next": "…"}`.
 * @param pages one step more than `limit` when there are more
 * @param limit steps of the answer; the step after them is `next`
 */
export async function* stepListJson(pages: AsyncIterable<CurvePoint[]>, limit = Infinity): AsyncGenerator<string> {
  let text = '{"steps":[';
  let count = 0;
  for await (const page of pages) {
    const shown = page.slice(0, limit - count);
    if (shown.length > 0) {
      yield `${text}${stringify(shown.map(wirePoint)).slice(1, -1)}`;
      text = ',';
    }
    count += shown.length;
    const next = page[shown.length];
    if (next === undefined) continue;
    yield `],"next":"${next.step}"}`;
    return;
  }
  yield count === 0 ? '{"steps":[]}' : ']}';
}

/** `{"runs": […], "next": "…"}`. @param before cursor that came with the page before */
export async function* runListJson(store: RunStore, limit: number, before: number | undefined): AsyncGenerator<string> {
  let separator = '{"runs":[';
  let left = limit;
  let cursor: number | undefined = before;
  do {
    const { runs, next }: Awaited<ReturnType<RunStore['runs']>> = await store.runs(left, cursor);
    cursor = next;
    left -= runs.length;
    if (runs.length === 0) break;
    yield separator + stringify(runs.map((run) => wireSummary(run))).slice(1, -1);
    separator = ',';
  } while (cursor !== undefined && left > 0);
  const tail = cursor === undefined ? ']}' : `],"next":"${cursor}"}`;
  yield separator === ',' ? tail : `${separator}${tail}`;
}
