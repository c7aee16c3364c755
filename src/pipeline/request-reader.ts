import type { LogitsIntake } from '../engine/intake.ts';
import { LossmeterError } from '../errors.ts';
import { runInTurns } from '../steps.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import type { ByteReader } from '../wire/body/byte-reader.ts';
import { HeldRuns, STREAMING_ADVICE, WAITING_ADVICE } from '../wire/body/held-bytes.ts';
import { free } from '../tensor/memory.ts';
import { requireEnd } from '../wire/decoding.ts';
import type { Decoding, Read } from '../wire/decoding.ts';
import { isPartOf, isStreamed, partsOf } from '../wire/request-fields.ts';
import type { TensorName } from '../wire/request-fields.ts';
import { isGiven, missingField, requireTensors } from '../wire/request.ts';
import type {
  Codec,
  DecodeContext,
  ReadLogitFile,
  ReadRequest,
  StreamedTensor,
  WaitingTensor,
} from '../wire/request.ts';
import { isLogitFile, isReference } from '../wire/tensors/file-reference.ts';
import { requireDTypeOf, tensorFromValue, unknownKey } from '../wire/tensors/tensor-value.ts';
import { openLogitFile, openReference, readReferences } from './references.ts';
import type { LogitFiles, TensorFiles } from './references.ts';
import { nextPart, runDecoding } from './run-decoding.ts';
import type { ParseJson } from './run-decoding.ts';

/** Dependencies of a RequestReader. */
interface Means {
  readonly context: DecodeContext;
  /** Opens files that the request names. */
  readonly files: TensorFiles & LogitFiles;
  readonly parseJson: ParseJson;
}

/** Streamable tensor whose bytes are buffered. */
interface Held {
  readonly head: StreamedTensor;
  readonly runs: HeldRuns | readonly Uint8Array[];
}

/**
 * Reads a request: first everything except the bytes of the streamed tensor, then these bytes. They are streamed if all other
 * fields came before them; otherwise they are buffered in bounded memory. The bytes of a tensor in a file are not read here.
 * One tensor of a request is streamed: the last one in the body if it arrives after all other fields; otherwise the first
 * streamable tensor that the kind of evaluation lists.
 *
 * All methods throw a LossmeterError for an invalid request.
 */
export class RequestReader {
  readonly #reader: ByteReader;
  readonly #means: Means;
  readonly #decoding: Decoding;
  #fields: Record<string, unknown> = {};
  #early: HeldRuns | undefined;
  /** Streamable tensors that were buffered, in the order in which they arrived. */
  readonly #held: Held[] = [];
  /** References for streamable tensors, by field. */
  readonly #references: Partial<Record<TensorName, object>> = {};
  /** Map that names a llama.cpp logit file, and its field. */
  #logitFile: { readonly name: TensorName; readonly value: object } | undefined;
  /** Streamed tensor, if its bytes are already buffered. */
  #streamed: Held | undefined;

  constructor(codec: Codec, reader: ByteReader, means: Means) {
    this.#reader = reader;
    this.#means = means;
    this.#decoding = codec.decode(reader, means.context);
  }

  /** Fields that are not streamable tensors. */
  get fields(): Readonly<Record<string, unknown>> {
    return this.#fields;
  }

  /** Reads up to the bytes of the streamed tensor. @returns undefined for a request without one, if the kind allows it */
  *readHeader(): Waiting<ReadRequest | undefined> {
    for (let step = yield* this.#next(); step.done !== true; step = yield* this.#next()) {
      const part = step.value;
      if (part.is === 'field') this.#takeField(part.name, part.value);
      else if (part.is === 'run') this.#early!.push(part.bytes);
      else if (part.is === 'early') this.#early = new HeldRuns(this.#means.context.held, part.what, this.#advice);
      else {
        const { name, shape, isNumpy } = part;
        const head = { name, dtype: requireDTypeOf(name, part.dtype), shape, isNumpy };
        if (this.#early === undefined) return yield* this.#complete(head);
        this.#held.push({ head, runs: this.#early });
        this.#early = undefined;
      }
    }
    yield* runDecoding(requireEnd(this.#reader), this.#reader);
    const { fields } = this.#means.context;
    const streams = fields.tensors.filter(isStreamed);
    const name = streams.find((one) => one in this.#references || this.#held.some(({ head }) => head.name === one));
    if (name === undefined) {
      const has = (one: TensorName): boolean => isGiven(this.#fields[one]);
      if (streams.length > 0 && (fields.tensorsOptional !== true || fields.tensors.some(has))) {
        throw missingField(fields.required.find(isStreamed)!);
      }
      requireTensors(has, fields);
      this.#fields = yield* this.#withTensorsOfFiles();
      return undefined;
    }
    const reference = this.#references[name];
    if (reference !== undefined) {
      delete this.#references[name];
      return yield* this.#complete(yield* this.#open(name, reference));
    }
    const at = this.#held.findIndex(({ head }) => head.name === name);
    [this.#streamed] = this.#held.splice(at, 1);
    return yield* this.#complete(this.#streamed!.head);
  }

  /** Writes the bytes of the streamed tensor, and frees their memory. */
  *writeTo(intake: LogitsIntake, { source }: StreamedTensor): Waiting<void> {
    if (source !== undefined) return;
    if (this.#streamed !== undefined) {
      const { runs } = this.#streamed;
      for (const run of runs instanceof HeldRuns ? runs.runs : runs) yield* write(intake, run);
      return;
    }
    for (let step = yield* this.#next(); step.done !== true; step = yield* this.#next()) {
      const part = step.value;
      if (part.is !== 'run') throw new LossmeterError('internal', 'a decoder reads more after the tensor that streams');
      yield* write(intake, part.bytes);
    }
    yield* runDecoding(requireEnd(this.#reader), this.#reader);
  }

  /** Ends the decoding at any point. */
  close(): void {
    this.#decoding.return();
  }

  #next(): Waiting<IteratorResult<Read, unknown>> {
    return nextPart(this.#decoding, this.#reader, this.#means.parseJson);
  }

  #takeField(name: string, value: unknown): void {
    if (!isStreamed(name)) this.#fields[name] = value;
    else if (isLogitFile(name, value)) this.#logitFile = { name, value };
    else if (isReference(value)) this.#references[name] = value;
    else if (isMapOfParts(name, value)) {
      for (const [key, part] of Object.entries(value)) this.#fields[`${name}.${key}`] = part;
    } else {
      const { dtype, shape, nulls, data } = tensorFromValue(name, value);
      const head = { name, dtype: requireDTypeOf(name, dtype), shape, ...(nulls !== undefined && { nulls }) };
      this.#held.push({ head, runs: [data] });
    }
  }

  *#open(name: TensorName, reference: object): Waiting<StreamedTensor> {
    const source = yield* settled(openReference(name, reference, this.#means));
    return { name, dtype: requireDTypeOf(name, source.dtype), shape: source.shape, source };
  }

  *#complete(streamed: StreamedTensor): Waiting<ReadRequest> {
    const fields = yield* this.#withTensorsOfFiles();
    const before: WaitingTensor[] = [];
    for (const [name, reference] of Object.entries(this.#references)) {
      before.push(yield* this.#open(name as TensorName, reference));
    }
    for (const { head, runs } of this.#held) before.push({ ...head, data: yield* wholeOf(runs) });
    const isTensor = (name: TensorName): boolean => name === streamed.name || before.some((one) => one.name === name);
    requireTensors((name) => isTensor(name) || isGiven(fields[name]), this.#means.context.fields);
    const logitFile = yield* this.#openLogitFile();
    return { streamed, before, ...(logitFile && { logitFile }), fields };
  }

  *#openLogitFile(): Waiting<ReadLogitFile | undefined> {
    if (this.#logitFile === undefined) return undefined;
    const { name, value } = this.#logitFile;
    return yield* openLogitFile(name, value, { files: this.#means.files, held: this.#means.context.held });
  }

  /** Reads the tensors that fields refer to. @returns all fields */
  #withTensorsOfFiles(): Waiting<Record<string, unknown>> {
    const { context, files } = this.#means;
    return readReferences(this.#fields, { tensors: context.fields.tensors, held: context.held, files });
  }

  get #advice(): string {
    const { tensors } = this.#means.context.fields;
    return tensors.filter(isStreamed).length > 1 ? WAITING_ADVICE : STREAMING_ADVICE;
  }
}

/** Returns true for a map of tensors that replaces a tensor. @throws LossmeterError unknown_field */
function isMapOfParts(name: TensorName, value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  // Checked before Object.keys, which would list all indices of bytes and of lists.
  if (!partsOf(name).some((part) => Object.hasOwn(value, part))) return false;
  const stranger = Object.keys(value).find((key) => !isPartOf(name, key));
  if (stranger !== undefined) throw unknownKey(name, stranger);
  return true;
}

/** Joins the bytes of a buffered tensor. */
function* wholeOf(runs: Held['runs']): Waiting<Uint8Array> {
  if (!(runs instanceof HeldRuns)) return runs[0]!;
  return runs.isShort ? runs.concat() : yield* settled(runInTurns(runs.gather()));
}

function* write(intake: LogitsIntake, run: Uint8Array): Waiting<void> {
  const written = intake.write(run);
  if (written !== undefined) yield written;
  free(run);
}
