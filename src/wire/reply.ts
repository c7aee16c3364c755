/** An answer in the parts in which it is sent: an array when all are there already, else made while it is sent. */
export type ReplyParts = Iterable<string | Uint8Array> | readonly (string | Uint8Array)[];

/** Wishes of the client beside the media type of the answer. */
export interface ReplyStyle {
  /** True where tensors in MessagePack are arrays of msgpack-numpy. */
  readonly numpyArrays: boolean;
}

/** Parts up to this size are copied together: each part is a write of its own. */
const SMALL_BYTES = 65_536;

/** Joins neighbours that are small. */
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
