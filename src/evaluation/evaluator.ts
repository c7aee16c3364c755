import type { Readable } from 'node:stream';
import { LossmeterError } from '../errors.ts';
import { diagnose } from '../loss/diagnostics.ts';
import type { Diagnostics } from '../loss/diagnostics.ts';
import { OPTION_NAMES, parseOptions, smoothingOf, transformOf } from '../loss/options.ts';
import type { Options } from '../loss/options.ts';
import { makeOutputs } from '../loss/outputs.ts';
import { reduceRows } from '../loss/reduction.ts';
import type { Metrics } from '../loss/reduction.ts';
import { featuresOf } from '../loss/rows.ts';
import { selectTargets } from '../loss/targets.ts';
import type { RowCounts, Targets } from '../loss/targets.ts';
import type { KernelPool } from '../pool/pool.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { ByteReader } from '../wire/byte-reader.ts';
import { HeldBytes } from '../wire/held-bytes.ts';
import { codecFor } from '../wire/media-types.ts';
import type { RequestHeader } from '../wire/request.ts';
import { BlockWriter } from './block-writer.ts';

/** What a row's target, mask and results take in memory while its batch is evaluated. */
const BYTES_PER_ROW = 64;

/** The answer to a request, under its names on the wire. */
export interface Evaluation {
  loss?: number;
  numerator: number;
  denominator: number;
  z_loss: number;
  mean_nll: number;
  rows: RowCounts;
  outputs: Record<string, Tensor>;
  metrics: Metrics;
  diagnostics: Diagnostics;
  kernel: string;
}

/** Milliseconds: ingest is the time from the first look at the body to its end; compute is added over workers. */
export interface Timings {
  ingest: number;
  compute: number;
  reduce: number;
}

export interface EvaluatorLimits {
  maxBodyBytes: number;
  maxJsonBytes: number;
  maxBytesInFlight: number;
}

/** A request body, as it arrives. */
export interface RequestBody {
  stream: Readable;
  contentType: string | undefined;
  /** Announced bytes, where they are. */
  contentLength: number | undefined;
}

/** Takes a request from its bytes to its answer: decodes it as it arrives, has blocks of rows evaluated, reduces. */
export class Evaluator {
  readonly #pool: KernelPool;
  readonly #limits: EvaluatorLimits;
  readonly #held: HeldBytes;

  constructor(pool: KernelPool, limits: EvaluatorLimits) {
    this.#pool = pool;
    this.#limits = limits;
    this.#held = new HeldBytes(limits.maxBytesInFlight);
  }

  /** @throws LossmeterError what is wrong with the request; the stream may not have been read to its end then */
  async evaluate(body: RequestBody): Promise<{ evaluation: Evaluation; timings: Timings }> {
    const codec = codecFor(body.contentType);
    const { maxBodyBytes, maxJsonBytes } = this.#limits;
    if (body.contentLength !== undefined && body.contentLength > maxBodyBytes) {
      const detail = `Content-Length is ${body.contentLength}, this service accepts ${maxBodyBytes} bytes`;
      throw new LossmeterError('body_too_large', detail);
    }
    const started = performance.now();
    const reader = new ByteReader(body.stream, maxBodyBytes);
    const held = this.#held.open();
    let batch: Batch | undefined;
    try {
      const begin = (header: RequestHeader): BlockWriter => {
        batch = this.#open(header);
        held.take(BYTES_PER_ROW * batch.targets.rows.total, 'the results of the rows');
        return batch.writer;
      };
      await codec.decode(reader, {
        held,
        optionNames: OPTION_NAMES,
        maxJsonBytes,
        contentLength: body.contentLength,
        begin,
      });
      const { options, smoothing, classes, targets, writer, kernel } = batch!;
      const ingested = performance.now();
      const { columns, findings } = await writer.finish();
      const evaluated = performance.now();

      const reduction = reduceRows(columns, targets, options, { classes, smoothing });
      const { numerator, denominator, zLoss, loss, meanNll, perTokenLoss, metrics } = reduction;
      const evaluation: Evaluation = {
        ...(loss === undefined ? {} : { loss }),
        numerator,
        denominator,
        z_loss: zLoss,
        mean_nll: meanNll,
        rows: targets.rows,
        outputs: makeOutputs(options, columns, perTokenLoss, targets),
        metrics,
        diagnostics: diagnose(findings, reduction),
        kernel,
      };
      const timings = { ingest: ingested - started, compute: writer.computeMs, reduce: performance.now() - evaluated };
      return { evaluation, timings };
    } finally {
      batch?.writer.abandon();
      held.close();
      reader.detach();
    }
  }

  /** Checks all that can be checked before the logits have come. */
  #open(header: RequestHeader): Batch {
    const options = parseOptions(header.options);
    const { dtype, shape } = header.logits;
    const targets = selectTargets(shape, header, options);
    const classes = shape.at(-1)!;
    const smoothing = smoothingOf(options, classes);
    const features = featuresOf(options);
    const classWeights = features.weightedSum ? targets.classWeights : undefined;
    const transform = transformOf(options);
    const batch = { dtype, classes, targets: targets.classes, firstRow: 0, features, transform, classWeights };
    const writer = new BlockWriter(this.#pool, batch);
    const kernel = this.#pool.kernelName(transform === undefined ? dtype : 'float64');
    return { options, smoothing, classes, targets, writer, kernel };
  }
}

/** What is known of a request before its logits come. */
interface Batch {
  options: Options;
  /** ε of the row formula. */
  smoothing: number;
  classes: number;
  targets: Targets;
  writer: BlockWriter;
  /** Name of the kernel that evaluates it. */
  kernel: string;
}
