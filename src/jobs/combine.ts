import { setImmediate as nextTurn } from 'node:timers/promises';
import { answerFile, mergeFiles } from '../pipeline/compare-files.ts';
import type { ComparedFile } from '../pipeline/compare-files.ts';
import { addUp } from '../pipeline/evaluate-file.ts';
import type { FileEvaluation } from '../pipeline/evaluate-file.ts';
import { restoreComparison, restoreEvaluation } from '../pipeline/saved-files.ts';
import type { HeldBytes } from '../wire/body/held-bytes.ts';
import { stringify } from '../wire/json-text/stringify.ts';
import type { Job } from './job.ts';
import { decodePartial } from './partial.ts';
import type { JobStore } from './store.ts';

const ADVICE = 'divide the job, or raise LOSSMETER_MAX_BYTES_IN_FLIGHT';

/** Copies of the rows of a partial in memory: the partial, the restored columns, and the merged columns of all files. */
const COPIES = 3;

/**
 * Combines the results of all files in their order. The total is bit-identical to the total of one process that evaluates
 * the files one after the other.
 * @returns JSON text @throws LossmeterError when the options of the files differ, or their rows do not fit into memory
 */
export async function combineFiles(
  { id, kind }: Pick<Job, 'id' | 'kind'>,
  store: Pick<JobStore, 'partials'>,
  heldBytes: Pick<HeldBytes, 'open'>,
): Promise<string> {
  const held = heldBytes.open();
  const evaluations: FileEvaluation[] = [];
  const comparisons: ComparedFile[] = [];
  try {
    for (let from: number | undefined = 0; from !== undefined;) {
      const page: Awaited<ReturnType<JobStore['partials']>> = await store.partials(id, from);
      for (const bytes of page.partials) {
        held.take(COPIES * bytes.length, 'the results of the files', ADVICE);
        if (kind === 'cross_entropy') evaluations.push(restoreEvaluation(decodePartial(kind, bytes)));
        else comparisons.push(await restoreComparison(decodePartial(kind, bytes)));
        await nextTurn();
      }
      from = page.next;
    }
    return stringify(kind === 'cross_entropy' ? addUp(evaluations) : await answerFile(await mergeFiles(comparisons)));
  } finally {
    held.close();
  }
}
