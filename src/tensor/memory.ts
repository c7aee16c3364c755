/** Buffers that bytes own. */
/**
 * Frees the memory of bytes after their last use, without waiting for a garbage collection. Does nothing for a part of a
 * larger buffer, which other bytes may use. Call it only after native code (zlib, a socket) has called back.
 */
export function free(bytes: Uint8Array): void {
  if (isWhole(bytes)) (bytes.buffer as ArrayBuffer).transferToFixedLength(0);
}

/** Bytes that fill their whole buffer, so that it can be moved to another thread. A part of a larger buffer is copied. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isWhole(bytes) ? new Uint8Array(bytes.buffer as ArrayBuffer) : new Uint8Array(bytes);
}

/** Returns true for bytes that fill their whole buffer. */
export function isWhole({ buffer, byteLength }: Uint8Array): boolean {
  return buffer instanceof ArrayBuffer && !buffer.detached && buffer.byteLength === byteLength;
}
