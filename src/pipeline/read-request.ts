import type { FileTensor } from '../tensor/file-tensor.ts';
import { settled } from '../waiting.ts';
import type { Waiting } from '../waiting.ts';
import type { ByteReader } from '../wire/body/byte-reader.ts';
import { requireEnd } from '../wire/decoding.ts';
import type { JsonText, Read } from '../wire/decoding.ts';
import { isReference, openReference, readReferences } from '../wire/tensors/file-reference.ts';
import type { TensorFiles } from '../wire/tensors/file-reference.ts';
import { HeldRuns, STREAMING_ADVICE, free } from '../wire/body/held-bytes.ts';
import { hasTensors, logitsFrom, logitsOf, makeHeader, missingField } from '../wire/request.ts';
import type { Codec, DecodeContext, RequestHeader } from '../wire/request.ts';
import { requireLogitsDType, tensorFromValue } from '../wire/tensors/tensor-value.ts';
import type { LogitsIntake } from '../engine/intake.ts';
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
  /** Called once, when all but the bytes of the logits is known; what it throws refuses the request. */
  readonly open: (header: RequestHeader) => LogitsIntake | Promise<LogitsIntake>;
}

/** Logits whose bytes have to wait for the other fields. */
interface HeldLogits {
  readonly logits: RequestHeader['logits'];
  readonly isNumpy: boolean;
  readonly runs: readonly Uint8Array[];
}

/**
 * Reads a request, opens its batch, and hands the bytes of its logits on: as they come, where all other fields came before
 * them; else they wait in bounded memory. Those of logits that stand in a file are left there.
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
  #held: HeldLogits | undefined;
  #reference: object | undefined;

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
    } else if (item.is === 'logits') {
      const { shape, isNumpy } = item;
      const logits = { dtype: requireLogitsDType(item.dtype), shape };
      if (this.#early === undefined) this.#intake = yield* this.#open(logits, isNumpy);
      else this.#held = { logits, isNumpy, runs: this.#early.runs };
    } else this.#takeField(item.name, item.value);
    return undefined;
  }

  #takeField(name: string, value: unknown): void {
    if (name !== 'logits') this.#fields[name] = value;
    else if (isReference(value)) this.#reference = value;
    else {
      const tensor = tensorFromValue(name, value);
      this.#held = { logits: logitsOf(tensor), isNumpy: false, runs: [tensor.data] };
    }
  }

  /** Hands on what had to wait for the other fields. @returns as `readRequest` */
  *finish(): Waiting<Fields | undefined> {
    const { context } = this.#reading;
    if (this.#intake !== undefined) return undefined;
    if (this.#reference !== undefined) {
      const source: FileTensor = yield* settled(openReference('logits', this.#reference, this.#reading));
      yield* this.#open(logitsFrom(source), false);
      return undefined;
    }
    if (this.#held === undefined) {
      if (context.tensorsOptional === true && !hasTensors(this.#fields)) return this.#fields;
      throw missingField('logits');
    }
    const { logits, isNumpy, runs } = this.#held;
    const intake = yield* this.#open(logits, isNumpy);
    for (const run of runs) yield* write(intake, run);
    return undefined;
  }

  *#open(logits: RequestHeader['logits'], isNumpy: boolean): Waiting<LogitsIntake> {
    const { context, files, open } = this.#reading;
    const read = yield* readReferences(this.#fields, { held: context.held, files });
    const header = makeHeader(logits, read, context);
    return yield* settled(open(isNumpy ? { ...header, numpyArrays: true } : header));
  }
}

/** Writes bytes of logits, and frees their memory. */
function* write(intake: LogitsIntake, run: Uint8Array): Waiting<void> {
  const written = intake.write(run);
  if (written !== undefined) yield written;
  free(run);
}
