import { DTYPE_BYTES } from '../tensor/dtype.ts';
import { LossmeterError } from '../errors.ts';
import { setColumns } from '../statistics/list.ts';
import { cutBlock, makeBlockColumns, ownRows } from './block.ts';
import type { Block, BlockColumns, BlockResult } from './block.ts';
import { kernelBytesBeside } from './block-memory.ts';
import { fetchComparedRows } from './compared-rows.ts';
import { OrderedFindings } from './ordered-findings.ts';
import type { KernelPool } from './pool.ts';
import { addSurvey, emptySurvey } from '../diagnostics/survey.ts';
import type { Survey } from '../diagnostics/survey.ts';
import { appendFindings, noFindings } from '../diagnostics/findings.ts';
import type { Findings } from '../diagnostics/findings.ts';
import { leastWorst, mergeWorst } from '../diagnostics/worst-rows.ts';
import type { WorstRow } from '../diagnostics/worst-rows.ts';
import { copyInSteps, runAtOnce, runInTurns } from '../steps.ts';
import type { Steps } from '../steps.ts';
import { cutRange, isRemote } from '../tensor/file-range.ts';
import type { LocalRange, RemoteRange } from '../tensor/file-range.ts';
import type { FileTensor } from '../tensor/file-tensor.ts';
import { free } from '../tensor/memory.ts';
import type { LogitsIntake } from './intake.ts';

/** Results of the rows of a batch, in row order. */
export interface RowResults {
  columns: BlockColumns;
  findings: Findings;
  /** Findings in the reference; only of a comparison. */
  referenceFindings: Findings | undefined;
  /** (rows, classes) elements; only when requested. */
  gradient: Uint8Array<ArrayBuffer> | undefined;
  /** Survey of the values; only when requested, instead of the loss. */
  survey: Survey | undefined;
}

/** Largest number of blocks of a local file that a worker evaluates per message: about 8 MiB. */
const MAX_BLOCKS_PER_TASK = 4;

/** Bytes of a remote file that are fetched ahead of the blocks that workers evaluate: 16 MiB. */
const MAX_BYTES_AHEAD = 2 ** 24;

/** Largest numbers of rows and of shards of a batch that the main thread evaluates: each row and shard adds time. */
const MAX_INLINE_ROWS = 2 ** 14;
const MAX_INLINE_SHARDS = 256;

/** Ratio of the time of comparing two rows to the time of the loss of one row. */
const COMPARISON_COST = 8;

/** A block in progress. */
interface BegunBlock {
  block: Block;
  firstRow: number;
  /** Index among the blocks of its batch. */
  index: number;
  /** Start time of performance.now(), in milliseconds. */
  started: number;
}

/**
 * Splits arriving logits into blocks of whole rows and evaluates them. A small batch is evaluated at once on the main
 * thread; a large batch slab by slab on the workers while the rest arrives. When enough slabs are in progress, `write`
 * waits. This back-pressure pauses the request's stream, so memory does not grow with the tensor.
 */
export class BlockWriter implements LogitsIntake {
  readonly #pool: KernelPool;
  /** The whole batch in the form of a single block. */
  readonly #batch: Block;
  /** Rows by which the class probabilities are ahead of the logits. */
  readonly #shift: number;
  readonly #rowBytes: number;
  readonly #rowsPerBlock: number;
  /**
   * Bytes that a block needs besides its slab. They are reserved once the slab is full, because rows may be very long.
   */
  readonly #bytesBeside: number;
  readonly #inline: boolean;
  readonly #columns: BlockColumns;
  readonly #findings: OrderedFindings;
  /** Findings in the reference of a comparison. */
  readonly #referenceFindings: OrderedFindings | undefined;
  #blocksBegun = 0;
  /** Worst rows of the finished blocks. */
  #worst: readonly WorstRow[] = [];
  /** Gradient, which grows with the rows that arrive: announced rows use no memory. */
  readonly #gradient: Uint8Array<ArrayBuffer> | undefined;
  readonly #survey: Survey | undefined;
  readonly #takeGradient: (bytes: number) => void;

  #slab: ArrayBuffer | undefined;
  #filled = 0;
  #nextRow = 0;
  readonly #underWay = new Set<Promise<void>>();
  #failure: unknown;
  #computeMs = 0;
  #isAbandoned = (): boolean => false;

  /**
   * @param takeGradient reserves bytes of the gradient, before they are allocated
   * @throws LossmeterError body_too_large when a single row exceeds the pool's limit
   */
  constructor(pool: KernelPool, batch: Block, shift: number, takeGradient: (bytes: number) => void = () => undefined) {
    const { plan, targets } = batch;
    const { dtype, classes, gradientDType } = plan;
    this.#pool = pool;
    this.#batch = batch;
    this.#shift = shift;
    this.#rowBytes = classes * DTYPE_BYTES[dtype];
    if (targets.length > 0 && this.#rowBytes > pool.maxRowBytes) {
      const detail = `a row of ${classes} ${dtype} has ${this.#rowBytes} bytes, this service evaluates rows of at most ${pool.maxRowBytes} bytes`;
      throw new LossmeterError('body_too_large', detail);
    }
    const cost = plan.comparison === undefined ? 1 : COMPARISON_COST;
    this.#inline =
      batch.compared?.beside?.range === undefined &&
      cost * targets.length * classes <= pool.inlineLogits &&
      cost * targets.length <= MAX_INLINE_ROWS &&
      plan.shards <= MAX_INLINE_SHARDS;
    const fitting = Math.max(1, Math.floor(pool.slabs.standardBytes / this.#rowBytes));
    this.#rowsPerBlock = this.#inline ? targets.length : Math.min(fitting, targets.length);
    this.#bytesBeside = this.#inline ? 0 : kernelBytesBeside(batch, this.#rowsPerBlock);
    this.#columns = makeBlockColumns(batch);
    this.#findings = new OrderedFindings(batch.mostPlaces);
    if (plan.comparison !== undefined) this.#referenceFindings = new OrderedFindings(batch.mostPlaces);
    this.#survey = plan.badInColumn === undefined ? undefined : emptySurvey();
    this.#takeGradient = takeGradient;
    if (gradientDType !== undefined) {
      const maxByteLength = targets.length * classes * DTYPE_BYTES[gradientDType];
      this.#gradient = new Uint8Array(new ArrayBuffer(0, { maxByteLength }));
    }
  }

  /**
   * Milliseconds of the kernels, summed over workers. Measured on the main thread, so messages to and from the worker
   * are included.
   */
  get computeMs(): number {
    return this.#computeMs;
  }

  /** Rows of the batch. */
  get rows(): number {
    return this.#batch.targets.length;
  }

  /** Blocks that were begun. */
  get blocks(): number {
    return this.#blocksBegun;
  }

  /** True if the main thread evaluates the batch. */
  get isInline(): boolean {
    return this.#inline;
  }

  write(run: Uint8Array): Promise<void> | undefined {
    for (let at = 0; at < run.byteLength;) {
      if (this.#failure !== undefined) throw this.#failure;
      const blockBytes = Math.min(this.#rowsPerBlock, this.#batch.targets.length - this.#nextRow) * this.#rowBytes;
      if (this.#inline && this.#filled === 0 && run.byteLength - at >= blockBytes) {
        // A small batch usually arrives in one piece, and is evaluated without a copy.
        this.#evaluateInline(run.subarray(at, at + blockBytes));
        at += blockBytes;
        continue;
      }
      if (this.#slab === undefined) {
        if (!this.#inline) return this.#writeLater(run.subarray(at), blockBytes);
        this.#slab = new ArrayBuffer(blockBytes);
      }
      at += this.#fill(run.subarray(at), blockBytes);
    }
    return undefined;
  }

  /** Writes the rest once a slab is available. */
  async #writeLater(run: Uint8Array, blockBytes: number): Promise<void> {
    this.#slab = await this.#acquireSlab(blockBytes);
    await this.write(run);
  }

  /**
   * Copies bytes into the slab as far as they fit, and starts the evaluation of a full block.
   * @returns number of copied bytes
   */
  #fill(run: Uint8Array, blockBytes: number): number {
    const length = Math.min(run.byteLength, blockBytes - this.#filled);
    new Uint8Array(this.#slab!).set(length === run.byteLength ? run : run.subarray(0, length), this.#filled);
    this.#filled += length;
    if (this.#filled === blockBytes) this.#dispatch(this.#slab!);
    return length;
  }

  /**
   * Evaluates logits from a file, instead of `write`, block by block. Workers read a local file themselves; a remote file is
   * fetched into slabs. Once this settles, with success or failure, the file is no longer in use.
   */
  async readFrom(logits: FileTensor, { onRead }: { onRead?: (bytes: number) => void } = {}): Promise<void> {
    const { range } = logits;
    if (this.#inline) {
      await this.write(await logits.read());
      onRead?.(range.byteLength);
      return;
    }
    try {
      if (isRemote(range)) await this.#fetchBlocks(range, onRead);
      else await this.#readBlocks(range, onRead);
    } finally {
      await this.idle();
    }
  }

  async #readBlocks(range: LocalRange, onRead?: (bytes: number) => void): Promise<void> {
    const rowsPerTask = this.#rowsPerBlock * this.#blocksPerTask();
    while (this.#nextRow < this.#batch.targets.length) {
      await this.#vacancy();
      if (this.#failure !== undefined) throw this.#failure;
      const part = this.#cutRows(range, rowsPerTask);
      const begun = this.#nextBlock(part.byteLength / this.#rowBytes);
      const evaluate = async (): Promise<void> => {
        const block = await this.#withOwnRows(begun);
        const task = { block, range: part, rowsAtOnce: this.#rowsPerBlock };
        const results = await this.#pool.runFromFile(task, this.#isAbandonedNow);
        await runInTurns(this.#settle(begun, results));
        onRead?.(part.byteLength);
      };
      this.#follow(this.#inKernelMemory(evaluate));
    }
  }

  async #fetchBlocks(range: RemoteRange, onRead?: (bytes: number) => void): Promise<void> {
    const ahead = Math.floor(MAX_BYTES_AHEAD / (this.#rowsPerBlock * this.#rowBytes));
    while (this.#nextRow < this.#batch.targets.length) {
      await this.#vacancy(ahead);
      if (this.#failure !== undefined) throw this.#failure;
      const part = this.#cutRows(range, this.#rowsPerBlock);
      const slab = await this.#pool.slabs.acquire(part.byteLength);
      this.#follow(this.#fetchBlock(part, slab, onRead));
    }
  }

  /** Fetches a block into a slab, and evaluates it. */
  async #fetchBlock(part: RemoteRange, slab: ArrayBuffer, onRead?: (bytes: number) => void): Promise<void> {
    const { byteLength } = part;
    let begun: BegunBlock;
    try {
      begun = this.#nextBlock(byteLength / this.#rowBytes);
      if (this.#isAbandoned()) throw new LossmeterError('client_closed', 'the client left before its rows were read');
      await part.source.readInto(new Uint8Array(slab, 0, byteLength), part.position);
      begun.started = performance.now();
    } catch (error) {
      this.#pool.slabs.release(slab);
      throw error;
    }
    await this.#inKernelMemory(() => this.#evaluateSlab(begun, slab, byteLength));
    onRead?.(byteLength);
  }

  /** Selects the next rows, up to the given number. */
  #cutRows<R extends LocalRange | RemoteRange>(range: R, most: number): R {
    const rows = Math.min(most, this.#batch.targets.length - this.#nextRow);
    return cutRange(range, this.#nextRow * this.#rowBytes, rows * this.#rowBytes);
  }

  /** Resolves with the results once all rows are evaluated. All bytes must have been written. */
  finish(): RowResults | Promise<RowResults> {
    if (this.#underWay.size > 0) return Promise.all(this.#underWay).then(() => this.finish());
    if (this.#failure !== undefined) throw this.#failure;
    return {
      columns: this.#columns,
      findings: this.#findings.first,
      referenceFindings: this.#referenceFindings?.first,
      gradient: this.#gradient,
      survey: this.#survey,
    };
  }

  /** @param isAbandoned returns true once the client has left. It is called before a worker begins a block. */
  watch(isAbandoned: () => boolean): void {
    this.#isAbandoned = isAbandoned;
  }

  /**
   * Releases the slab of an unfinished batch. Slabs in progress return by themselves, and pending blocks do not begin.
   */
  abandon(): void {
    this.#isAbandoned = () => true;
    if (this.#slab !== undefined && !this.#inline) this.#pool.slabs.release(this.#slab);
    this.#slab = undefined;
  }

  /** Resolves once no worker evaluates a block. Files of compared rows are then no longer in use. */
  async idle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #acquireSlab(bytes: number): Promise<ArrayBuffer> {
    await this.#vacancy();
    return this.#pool.slabs.acquire(bytes);
  }

  /**
   * Waits until another block may begin. Two blocks per worker in progress keep the workers busy while the next one is filled.
   * @param ahead further blocks that may be in progress
   */
  async #vacancy(ahead = 0): Promise<void> {
    while (this.#underWay.size >= 2 * this.#pool.workers + ahead) await Promise.race(this.#underWay);
  }

  /** Blocks per message. There are few messages, but enough that no worker is idle for long while another one finishes. */
  #blocksPerTask(): number {
    const { range: beside } = this.#batch.compared?.beside ?? {};
    if (beside !== undefined && isRemote(beside)) return 1;
    const blocks = Math.ceil(this.#batch.targets.length / this.#rowsPerBlock);
    return Math.min(MAX_BLOCKS_PER_TASK, Math.max(1, Math.floor(blocks / (8 * this.#pool.workers))));
  }

  #dispatch(slab: ArrayBuffer): void {
    const byteLength = this.#filled;
    if (this.#inline) {
      this.#slab = undefined;
      this.#filled = 0;
      this.#evaluateInline(new Uint8Array(slab));
      return;
    }
    // Reserves the gradient first: if this fails, the slab can still be released.
    const begun = this.#nextBlock(byteLength / this.#rowBytes);
    this.#slab = undefined;
    this.#filled = 0;
    this.#follow(this.#inKernelMemory(() => this.#evaluateSlab(begun, slab, byteLength)));
  }

  async #evaluateSlab(begun: BegunBlock, slab: ArrayBuffer, byteLength: number): Promise<void> {
    let block: Block;
    try {
      block = await this.#withOwnRows(begun);
    } catch (error) {
      this.#pool.slabs.release(slab);
      throw error;
    }
    await this.#pool.run({ block, slab, byteLength }, this.#isAbandonedNow, (result, returned) =>
      runInTurns(this.#settle(begun, [result], returned)),
    );
  }

  /** Copies probabilities and compared rows of a block into transferable memory, unless workers read them from a file. */
  async #withOwnRows(begun: BegunBlock): Promise<Block> {
    const block = await runInTurns(ownRows(begun.block));
    const compared = block.compared && (await fetchComparedRows(block.compared));
    if (compared === block.compared) return block;
    begun.started = performance.now();
    return { ...block, compared };
  }

  #evaluateInline(logits: Uint8Array): void {
    const begun = this.#nextBlock(logits.byteLength / this.#rowBytes);
    const block = runAtOnce(ownRows(begun.block));
    runAtOnce(this.#settle(begun, [this.#pool.runInline(block, logits)]));
  }

  /** Makes a block of the next rows. */
  #nextBlock(rows: number): BegunBlock {
    this.#growGradient(rows);
    const firstRow = this.#nextRow;
    this.#nextRow += rows;
    const block = {
      ...cutBlock(this.#batch, firstRow, rows, this.#shift),
      // Findings and losses of earlier rows save work here. The answer does not depend on how many are known.
      worstAbove: leastWorst(this.#worst),
      // The larger number of the two sides of a comparison: the answer names up to the limit for each side.
      mostPlaces: Math.max(this.#findings.missingPlaces, this.#referenceFindings?.missingPlaces ?? 0),
    };
    return { block, firstRow, index: this.#blocksBegun++, started: performance.now() };
  }

  /**
   * Stores the results of a block in row order.
   * @param slab memory that may contain the gradient, and that is then not freed with it
   */
  *#settle(
    { block, firstRow, index, started }: BegunBlock,
    results: readonly BlockResult[],
    slab?: ArrayBuffer,
  ): Steps<void> {
    this.#computeMs += performance.now() - started;
    const ofBlock = noFindings();
    const ofReference = noFindings();
    let row = firstRow;
    for (const { columns, findings, referenceFindings, gradient, survey } of results) {
      const count = columns.nll.length;
      setColumns(this.#columns, columns, row);
      appendFindings(ofBlock, findings, block.mostPlaces);
      if (referenceFindings !== undefined) appendFindings(ofReference, referenceFindings, block.mostPlaces);
      this.#worst = mergeWorst(this.#worst, findings.worst);
      if (gradient !== undefined) {
        yield* copyInSteps(gradient, this.#gradient!, (gradient.byteLength / count) * row);
        if (gradient.buffer !== slab) free(gradient);
      }
      if (survey !== undefined) addSurvey(this.#survey!, survey);
      row += count;
    }
    this.#findings.take(index, ofBlock);
    this.#referenceFindings?.take(index, ofReference);
  }

  readonly #isAbandonedNow = (): boolean => this.#isAbandoned();

  #growGradient(rows: number): void {
    if (this.#gradient === undefined) return;
    const { classes, gradientDType } = this.#batch.plan;
    const bytes = rows * classes * DTYPE_BYTES[gradientDType!];
    this.#takeGradient(bytes);
    const { buffer } = this.#gradient;
    buffer.resize(buffer.byteLength + bytes);
  }

  /** Tracks a block that a worker evaluates. */
  #follow(evaluated: Promise<void>): void {
    const task: Promise<void> = evaluated
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#underWay.delete(task);
      });
    this.#underWay.add(task);
  }

  /** Evaluates a block once the memory that it needs besides its slab is reserved. */
  async #inKernelMemory(evaluate: () => Promise<void>): Promise<void> {
    if (this.#bytesBeside === 0) return evaluate();
    await this.#pool.kernelMemory.reserve(this.#bytesBeside);
    try {
      return await evaluate();
    } finally {
      this.#pool.kernelMemory.release(this.#bytesBeside);
    }
  }
}
