/** Consecutive bytes of an open file. File descriptors are those of the whole process, so threads can share them. */
export interface FileRange {
  readonly fd: number;
  /** Name of the file in messages. */
  readonly name: string;
  /** Offset of the first byte in the file. */
  readonly position: number;
  readonly byteLength: number;
}

/** A part of a range. */
export function cutRange({ fd, name, position }: FileRange, offset: number, byteLength: number): FileRange {
  return { fd, name, position: position + offset, byteLength };
}
