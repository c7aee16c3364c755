import { refuse } from '../errors.ts';
import { rowBytesOf } from '../../kernels/quantised.ts';
import type { LogitFile } from '../files/logit-file.ts';
import { cutRange } from '../tensor/file-range.ts';
import type { ReadLogitFile } from '../wire/request.ts';

/** llama.cpp logit file whose rows belong to several files, one after another. */
export class LogitFileCursor {
  readonly #name: string;
  readonly #file: LogitFile;
  readonly #rows: ReadLogitFile;
  #next = 0;

  private constructor(name: string, file: LogitFile, rows: ReadLogitFile) {
    this.#name = name;
    this.#file = file;
    this.#rows = rows;
  }

  /** Makes a cursor at the first row of an open file, which it owns. @throws LossmeterError invalid_file */
  static async of(path: string, file: LogitFile): Promise<LogitFileCursor> {
    try {
      const { readLabels, ...rows } = file.rows('reference');
      return new LogitFileCursor(path, file, { ...rows, labels: await readLabels() });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Number of rows of each chunk. */
  get chunks(): number[] {
    return Array.from({ length: this.#rows.chunks }, () => this.#rows.rowsPerChunk);
  }

  /** Skips the next rows. @throws LossmeterError shape_mismatch when there are fewer */
  skip(rows: number): void {
    const { length } = this.#rows.labels;
    if (this.#next + rows > length) {
      const detail = `the files have at least ${this.#next + rows} rows of logits, but ${this.#name} has ${length} rows`;
      throw refuse('shape_mismatch', '/logits/shape', detail);
    }
    this.#next += rows;
  }

  /** Returns the next rows, and moves behind them. @throws LossmeterError shape_mismatch when there are fewer */
  take(rows: number): ReadLogitFile {
    const { labels, classes, range } = this.#rows;
    const first = this.#next;
    this.skip(rows);
    const rowBytes = rowBytesOf('quantised', classes);
    return {
      chunks: 1,
      rowsPerChunk: rows,
      classes,
      range: cutRange(range, first * rowBytes, rows * rowBytes),
      labels: labels.slice(first, first + rows),
    };
  }

  /** @throws LossmeterError shape_mismatch when rows remain, file_changed */
  async requireEnd(): Promise<void> {
    await this.#file.requireUnchanged();
    const { length } = this.#rows.labels;
    if (this.#next === length) return;
    const detail = `the files have ${this.#next} rows of logits, but ${this.#name} has ${length} rows`;
    throw refuse('shape_mismatch', '/logits/shape', detail);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
