import { parseAnswer } from '../api/json.ts';
import { request } from '../api/request.ts';
import type { Evaluation } from '../api/types.ts';
import { HEAD_BYTES, mediaTypeOf } from './media-type.ts';

/**
 * Has the service evaluate a file. The browser streams it from the disk: it may be larger than memory.
 * @throws Error when it is no kind of file that the service reads
 */
export async function evaluateFile(file: File, signal: AbortSignal): Promise<Evaluation> {
  const type = mediaTypeOf(new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()));
  if (type === undefined) throw new Error(`${file.name} is neither safetensors nor MessagePack nor JSON`);
  const response = await request('v1/cross-entropy', {
    method: 'POST',
    headers: { 'content-type': type, accept: 'application/json' },
    body: file,
    signal,
  });
  return parseAnswer(await response.text()) as Evaluation;
}
