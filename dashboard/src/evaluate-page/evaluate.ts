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

/** Answer to files: the evaluation of a batch, or the comparison of two sets of logits. */
export type Answer =
  | { readonly is: 'evaluation'; readonly evaluation: Evaluation }
  | { readonly is: 'comparison'; readonly comparison: Comparison };

/**
 * Sends files to the service to evaluate a batch, or to compare two sets of logits.
 * @param options override the options of the same names in the file
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

/** Adds the options that select rows. Only these apply to a comparison. */
async function withRowOptions({ logits, reference }: ComparedFiles, options: FileOptions): Promise<ComparedFiles> {
  const chosen = ROW_OPTIONS.filter((name) => name in options).map((name) => [name, options[name]]);
  return { logits: await withOptions(logits, Object.fromEntries(chosen)), reference };
}

/** Sends a file to the service to evaluate. The browser streams it from the disk: it may be larger than memory. */
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
