import type { Readable } from 'node:stream';
import { LossmeterError } from '../errors.ts';
import { diagnose } from '../loss/diagnostics.ts';
import type { Diagnostics } from '../loss/diagnostics.ts';
import { OPTION_NAMES, parseOptions } from '../loss/options.ts';
import { reduceRows } from '../loss/reduction.ts';
import { selectTargets } from '../loss/targets.ts';
import type { RowCounts } from '../loss/targets.ts';
import type { KernelPool } from '../pool/pool.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { ByteReader } from '../wire/byte-reader.ts';
import { HeldBytes } from '../wire/held-bytes.ts';
import { codecFor } from '../wire/media-types.ts';
import type { RequestHeader } from '../wire/request.ts';
import { BlockWriter } from './block-writer.ts';

/** The answer to a request, under its names on the wire. */
export interface Evaluation {
  loss?: number;
  numerator: number;
  denominator: number;
  mean_nll: number;
  rows: RowCounts;
  outputs: Record<string, Tensor>;
  metrics: { perplexity: number; bits_per_token: number };
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
        return batch.writer;
      };
      await codec.decode(reader, { held, optionNames: OPTION_NAMES, maxJsonBytes, begin });
      const { options, targets, writer, header } = batch!;
      const ingested = performance.now();
      const { nll, findings } = await writer.finish();
      const evaluated = performance.now();

      const reduction = reduceRows(nll, targets, options);
      const { numerator, denominator, loss, meanNll, perTokenLoss } = reduction;
      const outputs: Record<string, Tensor> = {};
      if (perTokenLoss !== undefined) {
        const data = new Uint8Array(perTokenLoss.buffer);
        outputs['per_token_loss'] = { dtype: 'float64', shape: header.label.shape, data };
      }
      const evaluation: Evaluation = {
        ...(loss === undefined ? {} : { loss }),
        numerator,
        denominator,
        mean_nll: meanNll,
        rows: targets.rows,
        outputs,
        metrics: { perplexity: Math.exp(meanNll), bits_per_token: meanNll / Math.LN2 },
        diagnostics: diagnose(findings, reduction),
        kernel: this.#pool.kernelName(header.logits.dtype),
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
    const targets = selectTargets(header.logits.shape, header.label, header.inputMask, options);
    const classes = header.logits.shape.at(-1)!;
    const writer = new BlockWriter(this.#pool, header.logits.dtype, classes, targets.classes);
    return { header, options, targets, writer };
  }
}

interface Batch {
  header: RequestHeader;
  options: ReturnType<typeof parseOptions>;
  targets: ReturnType<typeof selectTargets>;
  writer: BlockWriter;
}
