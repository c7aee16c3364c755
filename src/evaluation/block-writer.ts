import { DTYPE_BYTES } from '../tensor/dtype.ts';
import { LossmeterError } from '../errors.ts';
import { makeColumns, setColumns } from '../loss/rows.ts';
import type { RowColumns } from '../loss/rows.ts';
import { cutBlock } from '../pool/block.ts';
import type { Block, BlockResult } from '../pool/block.ts';
import type { KernelPool } from '../pool/pool.ts';
import { appendFindings, noFindings } from '../loss/diagnostics.ts';
import type { Findings } from '../loss/diagnostics.ts';
import type { LogitsWriter } from '../wire/request.ts';

/** What the rows of a batch yielded, in row order. */
export interface RowResults {
  columns: RowColumns;
  findings: Findings;
  /** (rows, classes) elements; only when asked for. */
  gradient: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Cuts arriving logits into blocks of whole rows and has them evaluated: a small batch at once on the main thread, a
 * large one slab by slab on the workers while the rest still arrives. When enough slabs are under way, `write` waits;
 * so the request's stream pauses, and memory does not grow with the tensor.
 */
export class BlockWriter implements LogitsWriter {
  readonly #pool: KernelPool;
  /** The whole batch, as one block would be. */
  readonly #batch: Block;
  /** Rows by which the class probabilities run ahead. */
  readonly #shift: number;
  readonly #rowBytes: number;
  readonly #rowsPerBlock: number;
  readonly #inline: boolean;
  readonly #columns: RowColumns;
  /** By block, for appending in row order. */
  readonly #findings: Findings[] = [];
  readonly #gradient: Uint8Array<ArrayBuffer> | undefined;

  #slab: ArrayBuffer | undefined;
  #filled = 0;
  #nextRow = 0;
  readonly #underWay = new Set<Promise<void>>();
  #failure: unknown;
  #computeMs = 0;

  /** @throws LossmeterError body_too_large when a single row is more than the pool takes */
  constructor(pool: KernelPool, batch: Block, shift: number) {
    const { dtype, classes, targets, features, gradientDType } = batch;
    this.#pool = pool;
    this.#batch = batch;
    this.#shift = shift;
    this.#rowBytes = classes * DTYPE_BYTES[dtype];
    if (targets.length > 0 && this.#rowBytes > pool.maxRowBytes) {
      const detail = `a row of ${classes} ${dtype} has ${this.#rowBytes} bytes, this service evaluates rows of at most ${pool.maxRowBytes} bytes`;
      throw new LossmeterError('body_too_large', detail);
    }
    this.#inline = targets.length * classes <= pool.inlineLogits;
    const fitting = Math.max(1, Math.floor(pool.slabs.standardBytes / this.#rowBytes));
    this.#rowsPerBlock = this.#inline ? targets.length : Math.min(fitting, targets.length);
    this.#columns = makeColumns(targets.length, features);
    this.#gradient = gradientDType && new Uint8Array(targets.length * classes * DTYPE_BYTES[gradientDType]);
  }

  /** Milliseconds that kernels took, added over workers: as seen from here, with the way there and back. */
  get computeMs(): number {
    return this.#computeMs;
  }

  async write(run: Uint8Array): Promise<void> {
    for (let at = 0; at < run.byteLength;) {
      if (this.#failure !== undefined) throw this.#failure;
      const blockBytes = Math.min(this.#rowsPerBlock, this.#batch.targets.length - this.#nextRow) * this.#rowBytes;
      this.#slab ??= this.#inline ? new ArrayBuffer(blockBytes) : await this.#acquireSlab(blockBytes);
      const length = Math.min(run.byteLength - at, blockBytes - this.#filled);
      new Uint8Array(this.#slab).set(run.subarray(at, at + length), this.#filled);
      at += length;
      this.#filled += length;
      if (this.#filled === blockBytes) this.#dispatch(this.#slab);
    }
  }

  /** Resolves when all rows are evaluated; all bytes have been written. */
  async finish(): Promise<RowResults> {
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
    const findings = noFindings();
    for (const next of this.#findings) appendFindings(findings, next);
    return { columns: this.#columns, findings, gradient: this.#gradient };
  }

  /** Gives back what an unfinished batch holds. Slabs under way come back by themselves. */
  abandon(): void {
    if (this.#slab !== undefined && !this.#inline) this.#pool.slabs.release(this.#slab);
    this.#slab = undefined;
  }

  /** Two slabs per worker under way keep the workers busy while one more fills. */
  async #acquireSlab(bytes: number): Promise<ArrayBuffer> {
    while (this.#underWay.size >= 2 * this.#pool.workers) await Promise.race(this.#underWay);
    return this.#pool.slabs.acquire(bytes);
  }

  #dispatch(slab: ArrayBuffer): void {
    const firstRow = this.#nextRow;
    const byteLength = this.#filled;
    const rows = byteLength / this.#rowBytes;
    const index = this.#findings.length;
    this.#slab = undefined;
    this.#filled = 0;
    this.#nextRow += rows;
    this.#findings.push(noFindings());

    const block = cutBlock(this.#batch, firstRow, rows, this.#shift);
    const started = performance.now();
    const settle = (result: BlockResult): void => {
      this.#computeMs += performance.now() - started;
      setColumns(this.#columns, result.columns, firstRow);
      this.#findings[index] = result.findings;
      if (result.gradient !== undefined) {
        this.#gradient!.set(result.gradient, (result.gradient.byteLength / rows) * firstRow);
      }
    };
    if (this.#inline) {
      settle(this.#pool.runInline(block, new Uint8Array(slab)));
      return;
    }
    const task: Promise<void> = this.#pool
      .run(block, slab, byteLength)
      .then(settle, (error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#underWay.delete(task));
    this.#underWay.add(task);
  }
}
