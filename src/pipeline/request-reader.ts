import type { LogitsIntake } from '../engine/intake.ts';
import { LossmeterError } from '../errors.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import type { ByteReader } from '../wire/body/byte-reader.ts';
import { HeldRuns, STREAMING_ADVICE } from '../wire/body/held-bytes.ts';
import { free } from '../tensor/memory.ts';
import { requireEnd } from '../wire/decoding.ts';
import type { Decoding, Read } from '../wire/decoding.ts';
import { isStreamed } from '../wire/request-fields.ts';
import type { TensorName } from '../wire/request-fields.ts';
import { hasTensors, missingField, requireTensors } from '../wire/request.ts';
import type { Codec, DecodeContext, ReadRequest, StreamedTensor } from '../wire/request.ts';
import { isReference } from '../wire/tensors/file-reference.ts';
import { requireDTypeOf, tensorFromValue } from '../wire/tensors/tensor-value.ts';
import { openReference, readReferences } from './references.ts';
import type { TensorFiles } from './references.ts';
import { nextPart, runDecoding } from './run-decoding.ts';
import type { ParseJson } from './run-decoding.ts';

/** Means of reading a request. */
interface Means {
  readonly context: DecodeContext;
  /** Opens files that the request names; undefined where it may name none. */
  readonly files: TensorFiles | undefined;
  readonly parseJson: ParseJson;
}

/** A tensor whose bytes wait for the other fields. */
interface HeldTensor {
  readonly head: StreamedTensor;
  readonly runs: readonly Uint8Array[];
}

/** A streamed tensor that stands in a file. */
interface Reference {
  readonly name: TensorName;
  readonly value: object;
}

/**
 * Reads a request: first all but the bytes of the streamed tensor, then these. They are handed on as they come, where all
 * other fields came before them; else they wait in bounded memory. Those of a tensor that stands in a file are left there. One
 * tensor of a request streams.
 *
 * All methods throw a LossmeterError for what is wrong with the request.
 */
export class RequestReader {
  readonly #reader: ByteReader;
  readonly #means: Means;
  readonly #decoding: Decoding;
  readonly #fields: Record<string, unknown> = {};
  #early: HeldRuns | undefined;
  #held: HeldTensor | undefined;
  #reference: Reference | undefined;

  constructor(codec: Codec, reader: ByteReader, means: Means) {
    this.#reader = reader;
    this.#means = means;
    this.#decoding = codec.decode(reader, means.context);
  }

  /** The fields that are no streamed tensor. */
  get fields(): Readonly<Record<string, unknown>> {
    return this.#fields;
  }

  /** Reads up to the bytes of the streamed tensor. @returns undefined for a request without tensors, if the kind allows one */
  *readHeader(): Waiting<ReadRequest | undefined> {
    for (let part = yield* this.#next(); part !== undefined; part = yield* this.#next()) {
      if (part.is === 'field') this.#takeField(part.name, part.value);
      else if (part.is === 'run') this.#early!.push(part.bytes);
      else if (part.is === 'early') {
        this.#early = new HeldRuns(this.#means.context.held, part.what, STREAMING_ADVICE);
      } else {
        const { name, shape, isNumpy } = part;
        const head = { name, dtype: requireDTypeOf(name, part.dtype), shape, isNumpy };
        if (this.#early === undefined) return yield* this.#complete(head);
        this.#held = { head, runs: this.#early.runs };
      }
    }
    yield* runDecoding(requireEnd(this.#reader), this.#reader);
    if (this.#reference !== undefined) {
      const { name, value } = this.#reference;
      const source = yield* settled(openReference(name, value, this.#means));
      return yield* this.#complete({ name, dtype: requireDTypeOf(name, source.dtype), shape: source.shape, source });
    }
    if (this.#held !== undefined) return yield* this.#complete(this.#held.head);
    const { fields } = this.#means.context;
    if (fields.tensorsOptional === true && !hasTensors(this.#fields)) return undefined;
    throw missingField(fields.required.find(isStreamed)!);
  }

  /** Writes the bytes of the streamed tensor, and frees their memory. */
  *writeTo(intake: LogitsIntake): Waiting<void> {
    if (this.#reference !== undefined) return;
    if (this.#held !== undefined) {
      for (const run of this.#held.runs) yield* write(intake, run);
      return;
    }
    for (let part = yield* this.#next(); part !== undefined; part = yield* this.#next()) {
      if (part.is !== 'run') throw new LossmeterError('internal', 'a decoder reads more after the tensor that streams');
      yield* write(intake, part.bytes);
    }
    yield* runDecoding(requireEnd(this.#reader), this.#reader);
  }

  /** Ends the decoding, wherever it is. */
  close(): void {
    this.#decoding.return();
  }

  *#next(): Waiting<Read | undefined> {
    const step = yield* nextPart(this.#decoding, this.#reader, this.#means.parseJson);
    return step.done === true ? undefined : step.value;
  }

  #takeField(name: string, value: unknown): void {
    if (!isStreamed(name)) this.#fields[name] = value;
    else if (isReference(value)) this.#reference = { name, value };
    else {
      const { dtype, shape, nulls, data } = tensorFromValue(name, value);
      const head = { name, dtype: requireDTypeOf(name, dtype), shape, ...(nulls !== undefined && { nulls }) };
      this.#held = { head, runs: [data] };
    }
  }

  *#complete(streamed: StreamedTensor): Waiting<ReadRequest> {
    const { context, files } = this.#means;
    const fields = yield* readReferences(this.#fields, { held: context.held, files });
    requireTensors({ ...fields, [streamed.name]: streamed }, context.fields);
    return { streamed, fields };
  }
}

function* write(intake: LogitsIntake, run: Uint8Array): Waiting<void> {
  const written = intake.write(run);
  if (written !== undefined) yield written;
  free(run);
}
