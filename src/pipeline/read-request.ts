import type { LogitsIntake } from '../engine/intake.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import type { ByteReader } from '../wire/body/byte-reader.ts';
import { HeldRuns, STREAMING_ADVICE, free } from '../wire/body/held-bytes.ts';
import { requireEnd } from '../wire/decoding.ts';
import type { JsonText, Read } from '../wire/decoding.ts';
import { isStreamed } from '../wire/request-fields.ts';
import type { TensorName } from '../wire/request-fields.ts';
import { hasTensors, missingField, requireTensors } from '../wire/request.ts';
import type { Codec, DecodeContext, ReadRequest, StreamedTensor } from '../wire/request.ts';
import { isReference, openReference, readReferences } from '../wire/tensors/file-reference.ts';
import type { TensorFiles } from '../wire/tensors/file-reference.ts';
import { requireDTypeOf, tensorFromValue } from '../wire/tensors/tensor-value.ts';
import { runDecoding } from './run-decoding.ts';
import type { Take } from './run-decoding.ts';

type Fields = Record<string, unknown>;

/** Means of reading a request. */
interface Reading {
  readonly context: DecodeContext;
  /** Opens files that the request names; undefined where it may name none. */
  readonly files: TensorFiles | undefined;
  /** Reads a JSON text: see JsonParser. */
  readonly parseJson: (text: Uint8Array) => unknown;
  /** Called once, when all but the bytes of the streamed tensor is known; what it throws refuses the request. */
  readonly open: (request: ReadRequest) => LogitsIntake | Promise<LogitsIntake>;
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
 * Reads a request, opens its batch, and hands the bytes of the streamed tensor on: as they come, where all other fields came
 * before them; else they wait in bounded memory. Those of a tensor that stands in a file are left there.
 * @returns the fields of a request that has no tensors, where it may have none
 * @throws LossmeterError
 */
export function* readRequest(codec: Codec, reader: ByteReader, reading: Reading): Waiting<Fields | undefined> {
  const taker = new RequestTaker(reading);
  const take: Take = (item) => taker.take(item);
  yield* runDecoding(codec.decode(reader, reading.context), reader, take);
  yield* runDecoding(requireEnd(reader), reader);
  return yield* taker.finish();
}

/** Takes the parts of a request, as they are read. */
class RequestTaker {
  readonly #reading: Reading;
  readonly #fields: Fields = {};
  #intake: LogitsIntake | undefined;
  #early: HeldRuns | undefined;
  #held: HeldTensor | undefined;
  #reference: Reference | undefined;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  /** @returns the value of a JSON text */
  *take(item: JsonText | Read): Waiting<unknown> {
    if (item.is === 'run') {
      if (this.#early === undefined) yield* write(this.#intake!, item.bytes);
      else this.#early.push(item.bytes);
    } else if (item.is === 'json') {
      return yield* settled(this.#reading.parseJson(item.text));
    } else if (item.is === 'early') {
      this.#early = new HeldRuns(this.#reading.context.held, item.what, STREAMING_ADVICE);
    } else if (item.is === 'head') {
      const { name, shape, isNumpy } = item;
      const head = { name, dtype: requireDTypeOf(name, item.dtype), shape, isNumpy };
      if (this.#early === undefined) this.#intake = yield* this.#open(head);
      else this.#held = { head, runs: this.#early.runs };
    } else this.#takeField(item.name, item.value);
    return undefined;
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

  /** Hands on what had to wait for the other fields. @returns as `readRequest` */
  *finish(): Waiting<Fields | undefined> {
    const { fields } = this.#reading.context;
    if (this.#intake !== undefined) return undefined;
    if (this.#reference !== undefined) {
      const { name, value } = this.#reference;
      const source = yield* settled(openReference(name, value, this.#reading));
      yield* this.#open({ name, dtype: requireDTypeOf(name, source.dtype), shape: source.shape, source });
      return undefined;
    }
    if (this.#held === undefined) {
      if (fields.tensorsOptional === true && !hasTensors(this.#fields)) return this.#fields;
      throw missingField(fields.required.find(isStreamed)!);
    }
    const { head, runs } = this.#held;
    const intake = yield* this.#open(head);
    for (const run of runs) yield* write(intake, run);
    return undefined;
  }

  *#open(streamed: StreamedTensor): Waiting<LogitsIntake> {
    const { context, files, open } = this.#reading;
    const fields = yield* readReferences(this.#fields, { held: context.held, files });
    requireTensors({ ...fields, [streamed.name]: streamed }, context.fields);
    return yield* settled(open({ streamed, fields }));
  }
}

/** Writes bytes of the streamed tensor, and frees their memory. */
function* write(intake: LogitsIntake, run: Uint8Array): Waiting<void> {
  const written = intake.write(run);
  if (written !== undefined) yield written;
  free(run);
}
