import { parseAnswer } from '../../../clients/typescript/src/json.ts';
import { request } from '../api/request.ts';
import type { Evaluation } from '../api/types.ts';
import { compareFiles, holdsPair } from '../comparison/compare-files.ts';
import type { ComparedFiles, Comparison } from '../comparison/compare-files.ts';
import { ROW_OPTIONS } from '../comparison/pair-request.ts';
import { requireMediaType } from '../files/media-type.ts';
import { withoutNumpy } from '../files/numpy.ts';
import type { FileOptions } from '../files/options.ts';
import { withOptions } from '../files/with-options.ts';

/** The answer to files: one batch evaluated, or two sets of logits compared. */
export type Answer =
  | { readonly is: 'evaluation'; readonly evaluation: Evaluation }
  | { readonly is: 'comparison'; readonly comparison: Comparison };

/**
 * Has the service evaluate a file, or compare two sets of logits.
 * @param options that win over those of the file
 * @throws UnreadableFileError
 */
export async function evaluateFiles(given: ComparedFiles, options: FileOptions, signal: AbortSignal): Promise<Answer> {
  const files = {
    logits: await withoutNumpy(given.logits),
    reference: given.reference && (await withoutNumpy(given.reference)),
  };
  if (files.reference !== undefined || (await holdsPair(files.logits))) {
    return { is: 'comparison', comparison: await compareFiles(await withRowOptions(files, options), signal) };
  }
  return { is: 'evaluation', evaluation: await evaluateFile(await withOptions(files.logits, options), signal) };
}

/** Options that select rows apply to a comparison too. */
async function withRowOptions({ logits, reference }: ComparedFiles, options: FileOptions): Promise<ComparedFiles> {
  const chosen = ROW_OPTIONS.filter((name) => name in options).map((name) => [name, options[name]]);
  return { logits: await withOptions(logits, Object.fromEntries(chosen)), reference };
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
