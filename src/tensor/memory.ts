/** Buffers that bytes own. */
/**
 * Frees the memory of bytes after their last use, which would wait for a garbage collection. Parts of a larger buffer stay:
 * others may use it. To be called after native code (zlib, a socket) has called back.
 */
export function free(bytes: Uint8Array): void {
  if (isWhole(bytes)) (bytes.buffer as ArrayBuffer).transferToFixedLength(0);
}

/** The bytes in a buffer of their own, which can be moved to another thread: a copy where they are a part of a larger one. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isWhole(bytes) ? new Uint8Array(bytes.buffer as ArrayBuffer) : new Uint8Array(bytes);
}

/** Returns true for bytes that fill their whole buffer. */
export function isWhole({ buffer, byteLength }: Uint8Array): boolean {
  return buffer instanceof ArrayBuffer && !buffer.detached && buffer.byteLength === byteLength;
}
