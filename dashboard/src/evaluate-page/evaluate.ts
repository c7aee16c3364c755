import { parseAnswer } from '../../../clients/typescript/src/json.ts';
import { request } from '../api/request.ts';
import type { Evaluation } from '../api/types.ts';
import { KIND_BYTES, kindOfFile } from '../../../src/wire/body/file-kind.ts';
import { mediaTypeOf } from './media-type.ts';

/** A file that the service would not read. */
export class UnreadableFileError extends Error {}

/**
 * Has the service evaluate a file. The browser streams it from the disk: it may be larger than memory.
 * @throws UnreadableFileError when it is no kind of file that the service reads
 */
export async function evaluateFile(file: File, signal: AbortSignal): Promise<Evaluation> {
  const head = new Uint8Array(await file.slice(0, KIND_BYTES).arrayBuffer());
  const other = kindOfFile(head);
  const type = mediaTypeOf(head);
  if (other !== undefined || type === undefined) {
    const what = other === undefined ? 'none of these' : `${other.kind}; ${other.advice}`;
    throw new UnreadableFileError(`expected safetensors, MessagePack or JSON; ${file.name} is ${what}`);
  }
  const response = await request('v1/cross-entropy', {
    method: 'POST',
    headers: { 'content-type': type, accept: 'application/json' },
    body: file,
    signal,
  });
  return parseAnswer(await response.text()) as Evaluation;
}
