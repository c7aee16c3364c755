/** Parts of an answer, in the order in which they are sent. They are an array, or made while the answer is sent. */
export type ReplyParts = Iterable<string | Uint8Array> | readonly (string | Uint8Array)[];

/** Preferences of the client in addition to the media type of the answer. */
export interface ReplyStyle {
  /** True if tensors in MessagePack are encoded as arrays of msgpack-numpy. */
  readonly numpyArrays: boolean;
}

/** Parts up to this size are joined, because each part causes a separate write. */
const SMALL_BYTES = 65_536;

/** Joins small consecutive parts. */
export function joinSmall(parts: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let waiting: Uint8Array[] = [];
  const flush = (): void => {
    if (waiting.length > 0) joined.push(Buffer.concat(waiting));
    waiting = [];
  };
  for (const part of parts) {
    if (part.byteLength <= SMALL_BYTES) {
      waiting.push(part);
      continue;
    }
    flush();
    joined.push(part);
  }
  flush();
  return joined;
}
