/** Consecutive bytes of a file that is read by position: a local file, or an object of object storage. */
export type FileRange = LocalRange | RemoteRange;

interface Range {
  /** Offset of the first byte in the file. */
  readonly position: number;
  readonly byteLength: number;
}

/**
 * A range of an open local file, which workers read themselves. File descriptors belong to the whole process, so threads
 * can share them.
 */
export interface LocalRange extends Range {
  readonly fd: number;
  /** Name of the file in messages. */
  readonly name: string;
}

/** A range that the main thread fetches into memory, which is then transferred to a worker. */
export interface RemoteRange extends Range {
  readonly source: RemoteSource;
}

/** A file that is read over the network. */
export interface RemoteSource {
  /**
   * Fetches the bytes at a position, as many as the target holds. Nothing is written to the target after the promise settles.
   * @throws LossmeterError file_changed, file_unreadable, storage_unavailable
   */
  readInto(target: Uint8Array, position: number): Promise<void>;
}

export function isRemote(range: FileRange): range is RemoteRange {
  return 'source' in range;
}

/** A part of a range. */
export function cutRange<R extends FileRange>(range: R, offset: number, byteLength: number): R {
  return { ...range, position: range.position + offset, byteLength };
}
