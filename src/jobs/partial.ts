/**
 * Form in which the result of a file is stored until all results are combined: the structured clone of Node.js, which
 * keeps every bit of numbers and typed arrays. Later versions of Node.js can read data of earlier versions.
 */
import { deserialize, serialize } from 'node:v8';
import { LossmeterError } from '../errors.ts';
import { saveComparison, saveEvaluation } from '../pipeline/saved-files.ts';
import type { SavedComparison, SavedEvaluation } from '../pipeline/saved-files.ts';
import type { ComparedFile } from '../pipeline/compare-files.ts';
import type { FileEvaluation } from '../pipeline/evaluate-file.ts';

/** Version of the form. It is raised when the previous version cannot read it. */
const FORMAT = 1;

/** Maximum number of bytes of a partial, which is one value of the database. */
const MOST_BYTES = 64 * 2 ** 20;

/** Results of files by the kinds of jobs. */
export type Saved = { cross_entropy: SavedEvaluation; kl_divergence: SavedComparison };

export const encodeEvaluation = (file: FileEvaluation): Uint8Array => encode('cross_entropy', saveEvaluation(file));

export const encodeComparison = (file: ComparedFile): Uint8Array => encode('kl_divergence', saveComparison(file));

/** @throws LossmeterError body_too_large */
function encode<Kind extends keyof Saved>(kind: Kind, saved: Saved[Kind]): Uint8Array {
  const bytes = serialize({ format: FORMAT, kind, saved });
  if (bytes.length <= MOST_BYTES) return bytes;
  const detail = `the results of the rows of ${saved.file} have ${bytes.length} bytes, expected at most ${MOST_BYTES}: divide the file`;
  throw new LossmeterError('body_too_large', detail);
}

/** @throws LossmeterError invalid_partial for the form of another version */
export function decodePartial<Kind extends keyof Saved>(kind: Kind, bytes: Uint8Array): Saved[Kind] {
  const value = deserialize(bytes) as { format: number; kind: string; saved: Saved[Kind] };
  if (value.format === FORMAT && value.kind === kind) return value.saved;
  const detail = `a result has the format ${value.format} of ${value.kind}, expected ${FORMAT} of ${kind}: create the job again`;
  throw new LossmeterError('invalid_partial', detail);
}
