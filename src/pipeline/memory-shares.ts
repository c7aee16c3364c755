/** Divides the bytes in flight. Slabs fill what they may: apart, they leave room for what requests hold. */
export function divideMemory(maxBytesInFlight: number): { maxSlabBytes: number; maxHeldBytes: number } {
  const maxSlabBytes = Math.floor(maxBytesInFlight / 4);
  return { maxSlabBytes, maxHeldBytes: maxBytesInFlight - maxSlabBytes };
}
