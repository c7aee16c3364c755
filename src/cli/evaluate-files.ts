import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Config } from '../config.ts';
import { KernelPool } from '../engine/pool.ts';
import { LossmeterError } from '../errors.ts';
import { HeldBytes } from '../wire/body/held-bytes.ts';
import { encodeJson } from '../wire/json/reply.ts';
import type { FoundFile } from './files.ts';
import { Progress } from './progress.ts';

/** Resources that the evaluations of all files share. */
export interface FileMeans {
  pool: KernelPool;
  held: HeldBytes;
  /** Called with the number of bytes that were read from the file. */
  onRead: (bytes: number) => void;
}

/** Evaluates files one after the other, with a progress bar on the terminal. Errors begin with the name of the file. */
export async function evaluateFiles<R>(
  files: readonly FoundFile[],
  config: Config,
  evaluate: (path: string, index: number, means: FileMeans) => Promise<R>,
): Promise<R[]> {
  // An empty shard needs no workers.
  if (files.length === 0) return [];
  const pool = new KernelPool({ ...config, maxSlabBytes: config.maxBytesInFlight });
  const held = new HeldBytes(config.maxBytesInFlight);
  const progress = new Progress(
    process.stderr,
    files.reduce((sum, { bytes }) => sum + bytes, 0),
  );
  const results: R[] = [];
  try {
    for (const [index, { path, bytes }] of files.entries()) {
      progress.begin(`${index + 1}/${files.length} ${path}`);
      let read = 0;
      const onRead = (amount: number): void => {
        read += amount;
        progress.add(amount);
      };
      const means = { pool, held, onRead };
      results.push(await evaluate(path, index, means).catch((error: unknown) => nameFile(path, error)));
      progress.add(bytes - read);
    }
    return results;
  } finally {
    progress.clear();
    await pool.close();
  }
}

/** Adds the name of the file to an error. */
function nameFile(path: string, error: unknown): never {
  if (!(error instanceof LossmeterError) || error.message.startsWith(path)) throw error;
  throw new LossmeterError(error.code, `${path}: ${error.message}`, error.places, { cause: error });
}

/** Prints one JSON document. */
export async function printJson(value: object): Promise<void> {
  const text = Readable.from([...encodeJson(value), '\n']);
  try {
    await pipeline(text, process.stdout, { end: false });
  } catch (error) {
    // A reader that closes the pipe early, such as head, has read enough.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}
