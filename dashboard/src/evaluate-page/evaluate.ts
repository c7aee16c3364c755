import { parseAnswer } from '../../../clients/typescript/src/json.ts';
import { request } from '../api/request.ts';
import type { Evaluation } from '../api/types.ts';
import { compareFiles, holdsPair } from '../comparison/compare-files.ts';
import type { ComparedFiles, Comparison } from '../comparison/compare-files.ts';
import { requireMediaType } from '../files/media-type.ts';

/** The answer to files: one batch evaluated, or two sets of logits compared. */
export type Answer =
  | { readonly is: 'evaluation'; readonly evaluation: Evaluation }
  | { readonly is: 'comparison'; readonly comparison: Comparison };

/**
 * Has the service evaluate a file, or compare two sets of logits.
 * @throws UnreadableFileError
 */
export async function evaluateFiles(files: ComparedFiles, signal: AbortSignal): Promise<Answer> {
  if (files.reference !== undefined || (await holdsPair(files.logits))) {
    return { is: 'comparison', comparison: await compareFiles(files, signal) };
  }
  return { is: 'evaluation', evaluation: await evaluateFile(files.logits, signal) };
}

/** Has the service evaluate a file. The browser streams it from the disk: it may be larger than memory. */
async function evaluateFile(file: File, signal: AbortSignal): Promise<Evaluation> {
  const type = await requireMediaType(file);
  const response = await request('v1/cross-entropy', {
    method: 'POST',
    headers: { 'content-type': type, accept: 'application/json' },
    body: file,
    signal,
  });
  return parseAnswer(await response.text()) as Evaluation;
}
