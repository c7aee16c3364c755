import type { Readable } from 'node:stream';
import { LossmeterError, refuse } from '../errors.ts';
import { denominatorsOf } from '../loss/denominators.ts';
import type { Denominators } from '../loss/denominators.ts';
import { diagnose, explain } from '../loss/diagnostics.ts';
import type { Diagnostics } from '../loss/diagnostics.ts';
import { gradientCoefficients } from '../loss/gradient.ts';
import { OPTION_NAMES, isGiven, parseOptions, smoothingOf, transformOf } from '../loss/options.ts';
import type { Options } from '../loss/options.ts';
import { makeOutputs } from '../loss/outputs.ts';
import { requireDivisible } from '../loss/parallel.ts';
import { reduceRows } from '../loss/reduction.ts';
import type { Metrics } from '../loss/reduction.ts';
import { featuresOf } from '../loss/rows.ts';
import { selectTargets } from '../loss/targets.ts';
import type { RowCounts, Targets } from '../loss/targets.ts';
import type { Block } from '../pool/block.ts';
import type { KernelPool } from '../pool/pool.ts';
import { DTYPE_BYTES } from '../tensor/dtype.ts';
import type { FloatDType } from '../tensor/dtype.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { ByteReader } from '../wire/byte-reader.ts';
import { HeldBytes } from '../wire/held-bytes.ts';
import type { HeldBytesAccount } from '../wire/held-bytes.ts';
import { codecFor } from '../wire/media-types.ts';
import type { RequestHeader } from '../wire/request.ts';
import { BlockWriter } from './block-writer.ts';

/** What a row's target, mask and results take in memory while its batch is evaluated. */
const BYTES_PER_ROW = 64;

/** What the coefficients of its gradient take beside. */
const BYTES_PER_ROW_OF_GRADIENT = 32;

const GRADIENT_ADVICE = 'split the batch by rows, or ask for the gradient of narrower logits';

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
        batch = this.#open(header, held);
        return batch.writer;
      };
      await codec.decode(reader, {
        held,
        optionNames: OPTION_NAMES,
        maxJsonBytes,
        contentLength: body.contentLength,
        begin,
      });
      const { options, targets, writer } = batch!;
      const ingested = performance.now();
      const { columns, findings, gradient } = await writer.finish();
      const evaluated = performance.now();

      const reduction = reduceRows(columns, targets, options, batch!);
      const { numerator, denominator, zLoss, loss, meanNll, perTokenLoss, metrics } = reduction;
      const diagnostics = diagnose(findings, reduction, targets);
      if (options.on_non_finite === 'reject' && diagnostics.verdict === 'non_finite') {
        throw new LossmeterError('non_finite_loss', `the loss is ${loss ?? numerator}: ${explain(diagnostics)}`);
      }
      const { shape, gradientDType: dtype } = batch!;
      const evaluation: Evaluation = {
        ...(loss === undefined ? {} : { loss }),
        numerator,
        denominator,
        z_loss: zLoss,
        mean_nll: meanNll,
        rows: targets.rows,
        outputs: makeOutputs(
          options,
          columns,
          { perTokenLoss, gradient: gradient && { dtype, shape, data: gradient } },
          targets,
        ),
        metrics,
        diagnostics,
        kernel: batch!.kernel,
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
  #open(header: RequestHeader, held: HeldBytesAccount): Batch {
    const options = parseOptions(header.options);
    const { dtype, shape } = header.logits;
    const targets = selectTargets(shape, header, options);
    const { probabilities } = targets;
    if (probabilities !== undefined && isGiven(header.options, 'ignore_index')) {
      const detail = 'ignore_index does not apply to class probabilities: leave rows out by input_mask';
      throw refuse('invalid_option', '/options/ignore_index', detail);
    }
    const rows = targets.classes.length;
    const classes = shape.at(-1)!;
    requireDivisible(options, rows, classes);
    const smoothing = smoothingOf(options, classes);
    const denominators = denominatorsOf(targets);
    const features = featuresOf(options, targets);
    const transform = transformOf(options);
    const gradientDType = options.gradient_dtype ?? dtype;
    const returnsGradient = options.outputs.includes('gradient');
    const differentiates = returnsGradient || features.gradientSquares;
    held.take(rows * (BYTES_PER_ROW + (differentiates ? BYTES_PER_ROW_OF_GRADIENT : 0)), 'the results of the rows');
    if (returnsGradient) held.take(rows * classes * DTYPE_BYTES[gradientDType], 'outputs.gradient', GRADIENT_ADVICE);
    const block: Block = {
      ...{ dtype, classes, features, transform, probabilities, firstRow: 0, targets: targets.classes },
      classWeights: features.weightedSum || probabilities !== undefined ? targets.classWeights : undefined,
      shards: options.parallel_config.model_parallel,
      gradientDType: returnsGradient ? gradientDType : undefined,
      coefficients: differentiates
        ? gradientCoefficients(targets, options, { classes, smoothing, denominators })
        : undefined,
    };
    const writer = new BlockWriter(this.#pool, block, options.shift);
    const kernel = this.#pool.kernelName(transform === undefined ? dtype : 'float64');
    return { options, smoothing, classes, shape, targets, denominators, gradientDType, writer, kernel };
  }
}

/** What is known of a request before its logits come. */
interface Batch {
  options: Options;
  /** ε of the row formula. */
  smoothing: number;
  classes: number;
  /** Of the logits, and so of the gradient. */
  shape: Shape;
  targets: Targets;
  denominators: Denominators;
  gradientDType: FloatDType;
  writer: BlockWriter;
  /** Name of the kernel that evaluates it. */
  kernel: string;
}
