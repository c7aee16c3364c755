import { LossmeterError } from '../errors.ts';
import type { KernelPool } from '../engine/pool.ts';
import type { NamedFiles } from '../files/named-files.ts';
import { answerFile, compareFile, haveSegments } from '../pipeline/compare-files.ts';
import type { ComparedFile } from '../pipeline/compare-files.ts';
import { evaluateFile } from '../pipeline/evaluate-file.ts';
import { LogitFileCursor } from '../pipeline/logit-file-cursor.ts';
import type { HeldBytes } from '../wire/body/held-bytes.ts';
import { stringify } from '../wire/json-text/stringify.ts';
import type { FileResult, FileTask } from './job.ts';
import { encodeComparison, encodeEvaluation } from './partial.ts';

/** Maximum number of characters of the answer for a file, which is stored in the database. */
const MOST_ANSWER_CHARACTERS = 2 ** 22;

/** Resources of the process for the evaluation of files. */
export interface TaskMeans {
  /** Pool with a variant of the kernels. */
  pool: (kernel: string) => KernelPool;
  held: Pick<HeldBytes, 'open'>;
  namedFiles: NamedFiles;
}

/** Evaluates the file of a task, by the code of the commands. @throws LossmeterError; the reason of the signal */
export async function evaluateTask(task: FileTask, means: TaskMeans, signal: AbortSignal): Promise<FileResult> {
  const { order, file, reference } = task;
  const { options, tensors: names } = order;
  const { held, namedFiles } = means;
  const pool = means.pool(task.kernel);
  const open = (name: string) => namedFiles.open('files', name);
  const shared = { options, names, held, open, onRead: () => signal.throwIfAborted() };
  if (order.kind === 'cross_entropy') {
    const evaluated = await evaluateFile(pool, file, shared);
    const answer = textOf({ file, ...evaluated.evaluation });
    return { answer, partial: encodeEvaluation(evaluated) };
  }
  const cursor = await openReferenceRows(task, namedFiles);
  try {
    const compared = await compareFile(pool, file, { ...shared, reference: cursor ?? reference });
    requireRows(task, compared);
    // Sequences are listed when this file has segments: a task does not know the other files.
    const listed = haveSegments([compared]) ? (['sequences'] as const) : [];
    const answer = textOf({ file, reference: reference ?? file, ...(await answerFile(compared, listed)) });
    return { answer, partial: encodeComparison(compared) };
  } finally {
    await cursor?.close();
  }
}

/** The rows of a llama.cpp logit file, from the first row of the task on. */
async function openReferenceRows(
  { reference, referenceRows }: FileTask,
  namedFiles: NamedFiles,
): Promise<LogitFileCursor | undefined> {
  if (reference === undefined || referenceRows === undefined) return undefined;
  const cursor = await LogitFileCursor.of(reference, await namedFiles.openLogitFile('reference', reference));
  try {
    cursor.skip(referenceRows.first);
    return cursor;
  } catch (error) {
    await cursor.close();
    throw error;
  }
}

/** @throws LossmeterError shape_mismatch when the number of rows of the file has changed since the job was created */
function requireRows({ file, referenceRows }: FileTask, { plan }: ComparedFile): void {
  const rows = plan.targets.classes.length;
  if (referenceRows === undefined || referenceRows.count === rows) return;
  const detail = `${file} has ${rows} rows, and had ${referenceRows.count} when the job was created: create the job again`;
  throw new LossmeterError('shape_mismatch', detail);
}

/** @throws LossmeterError body_too_large */
function textOf(answer: Readonly<Record<string, unknown>> & { file: string }): string {
  const text = stringify(answer);
  if (text.length <= MOST_ANSWER_CHARACTERS) return text;
  const detail = `the answer for ${answer.file} has ${text.length} characters, expected at most ${MOST_ANSWER_CHARACTERS}: lower max_locations and worst_rows`;
  throw new LossmeterError('body_too_large', detail);
}
