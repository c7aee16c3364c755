import type { Job } from './job.ts';
import type { AnswerPage, JobStore } from './store.ts';

/** Yields the result of a job, page by page: `{"kind": …, "total": …, "files": […]}`. */
export async function* resultJson(
  store: Pick<JobStore, 'answers'>,
  { id, kind }: Pick<Job, 'id' | 'kind'>,
  total: string,
): AsyncGenerator<string, void> {
  yield `{"kind":${JSON.stringify(kind)},"total":${total},"files":[`;
  let separator = '';
  for (let from: number | undefined = 0; from !== undefined;) {
    const page: AnswerPage = await store.answers(id, from);
    if (page.answers.length > 0) {
      yield separator + page.answers.join(',');
      separator = ',';
    }
    from = page.next;
  }
  yield ']}';
}
