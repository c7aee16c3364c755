import { KIND_BYTES, kindOfFile } from '../../../src/wire/body/file-kind.ts';
import { UnreadableFileError } from './unreadable-file.ts';

/** Media types that POST /v1/cross-entropy reads. */
export const SAFETENSORS = 'application/vnd.safetensors';
const MSGPACK = 'application/vnd.msgpack';
export const JSON_TYPE = 'application/json';

/**
 * Finds the media type of a file by its first bytes, which are more reliable than its name. Safetensors begins with the
 * length of its header, a little-endian integer of eight bytes, and a brace. JSON begins with a brace. MessagePack begins
 * with a map, whose first byte is 0x80 to 0x8f, 0xde or 0xdf.
 * @returns undefined for other files
 */
export function mediaTypeOf(head: Uint8Array): string | undefined {
  if (head[8] === 0x7b && head.slice(5, 8).every((byte) => byte === 0)) return SAFETENSORS;
  const first = head[0] ?? 0;
  if ((first & 0xf0) === 0x80 || first === 0xde || first === 0xdf) return MSGPACK;
  if (/^\s*\{/.test(new TextDecoder().decode(head))) return JSON_TYPE;
  return undefined;
}

/** @throws UnreadableFileError when the service does not read files of this kind */
export async function requireMediaType(file: File): Promise<string> {
  const head = new Uint8Array(await file.slice(0, KIND_BYTES).arrayBuffer());
  const other = kindOfFile(head);
  const type = mediaTypeOf(head);
  if (other === undefined && type !== undefined) return type;
  const what = other === undefined ? 'none of these' : `${other.kind}; ${other.advice}`;
  throw new UnreadableFileError(`expected safetensors, MessagePack or JSON; ${file.name} is ${what}`);
}
