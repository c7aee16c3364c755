/** Divides the bytes in flight. Slabs may use all of their share, so a separate share is reserved for buffered data. */
export function divideMemory(maxBytesInFlight: number): { maxSlabBytes: number; maxHeldBytes: number } {
  const maxSlabBytes = Math.floor(maxBytesInFlight / 4);
  return { maxSlabBytes, maxHeldBytes: maxBytesInFlight - maxSlabBytes };
}
