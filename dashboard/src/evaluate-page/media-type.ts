/** Media types that POST /v1/cross-entropy reads, by what a file begins with. */
const SAFETENSORS = 'application/vnd.safetensors';
const MSGPACK = 'application/vnd.msgpack';
const JSON_TYPE = 'application/json';

/**
 * Finds the media type of a file. Its content is surer than its name: safetensors begins with the length of its header, eight
 * bytes of a little-endian integer, and a brace; JSON with a brace; MessagePack with a map, whose first byte is 0x80 to
 * 0x8f, 0xde or 0xdf.
 */
export function mediaTypeOf(head: Uint8Array): string | undefined {
  if (head[8] === 0x7b && head.slice(5, 8).every((byte) => byte === 0)) return SAFETENSORS;
  const first = head[0] ?? 0;
  if ((first & 0xf0) === 0x80 || first === 0xde || first === 0xdf) return MSGPACK;
  if (/^\s*\{/.test(new TextDecoder().decode(head))) return JSON_TYPE;
  return undefined;
}
