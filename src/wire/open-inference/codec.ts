import { LossmeterError } from '../../errors.ts';
import { showValue } from '../../suggestion.ts';
import { truncated } from '../body/body-errors.ts';
import { consume, gathered, readWhole } from '../decoding.ts';
import type { Bytes, Decoding } from '../decoding.ts';
import { HeldRuns } from '../body/held-bytes.ts';
import { REQUEST_KEYS, readInferenceRequest } from './request.ts';
import type { InferenceRequest, ModelNames } from './request.ts';
import type { Codec, DecodeContext } from '../request.ts';
import type { RequestFields } from '../request-fields.ts';
import { readStoredTensors } from '../tensors/stored-tensors.ts';

/** Header with the length in bytes of the JSON that precedes the tensors. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';

interface InferenceCodecOptions {
  /** Length in bytes of the JSON before the tensors; undefined if the whole body is JSON. */
  jsonBytes: number | undefined;
  names: ModelNames;
}

/**
 * Codec of the Open Inference Protocol. A request is JSON, followed by the bytes of the tensors that are not in the JSON, in
 * the order in which it lists them. The bytes of logits are streamed if no other tensor follows them; otherwise they are
 * buffered in bounded memory. A codec serves one request, and keeps its properties for the answer.
 */
export class OpenInferenceCodec implements Codec {
  readonly name = 'open-inference';
  readonly mediaTypes = [];
  readonly #options: InferenceCodecOptions;
  #request: InferenceRequest | undefined;

  constructor(options: InferenceCodecOptions) {
    this.#options = options;
  }

  /** The last request that was read. */
  get request(): InferenceRequest {
    return this.#request!;
  }

  *decode(bytes: Bytes, context: DecodeContext): Decoding {
    const { jsonBytes, names } = this.#options;
    const value = jsonBytes === undefined ? yield* readAll(bytes, context) : yield* readHead(bytes, jsonBytes, context);
    const request = readInferenceRequest(value, names, context.fields);
    this.#request = request;
    const binary = request.inputs.flatMap(({ byteLength, ...input }) =>
      byteLength === undefined ? [] : [{ ...input, byteLength }],
    );
    requireAnnounced(binary, jsonBytes, context.contentLength);
    for (const [name, field] of Object.entries(plainFields(request, context.fields)))
      yield { is: 'field', name, value: field };
    for (const { name, dtype, shape, data, byteLength } of request.inputs) {
      if (byteLength === undefined) yield { is: 'field', name, value: { dtype, shape, data } };
    }
    yield* readStoredTensors(bytes, context, binary);
  }
}

/** Fields that are not tensors. All are sent as parameters; those that are not plain values of the kind are options. */
function plainFields({ options }: InferenceRequest, { values }: RequestFields): Record<string, unknown> {
  if (options === undefined) return {};
  const [own, others] = [true, false].map((isOwn) =>
    Object.fromEntries(Object.entries(options).filter(([name]) => values.includes(name) === isOwn)),
  );
  return { ...own, options: others };
}

/**
 * Parses the length of the JSON that a request announces.
 * @throws LossmeterError malformed_body
 */
export function announcedJsonBytes(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const bytes = typeof header === 'string' && /^\d{1,16}$/.test(header) ? Number(header) : Number.NaN;
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  const detail = `Inference-Header-Content-Length is ${showValue(header)}, expected the length of the JSON before the tensors, in bytes`;
  throw new LossmeterError('malformed_body', detail);
}

const BINARY_ADVICE = 'send larger tensors as binary data behind it';

/** Reads a body that is only JSON. */
function* readAll(bytes: Bytes, { held: account, maxJsonBytes }: DecodeContext): Decoding<unknown> {
  const held = new HeldRuns(account, 'the JSON body', BINARY_ADVICE);
  const text = yield* readWhole(bytes, held, { maxBytes: maxJsonBytes, tooLong: () => tooMuchJson(maxJsonBytes) });
  try {
    return yield { is: 'json', text, fields: REQUEST_KEYS };
  } catch (error) {
    if (!(error instanceof LossmeterError) || error.code !== 'malformed_body') throw error;
    const hint =
      'if tensors follow the JSON as bytes, the header Inference-Header-Content-Length must have the length of the JSON, but it is missing';
    throw new LossmeterError('malformed_body', `${error.message}; ${hint}`, [], { cause: error });
  }
}

/** Reads the JSON before the tensors. */
function* readHead(
  bytes: Bytes,
  jsonBytes: number,
  { held: account, maxJsonBytes, contentLength }: DecodeContext,
): Decoding<unknown> {
  if (jsonBytes > maxJsonBytes) throw tooMuchJson(maxJsonBytes);
  const what = 'the JSON, whose length is Inference-Header-Content-Length';
  if (contentLength !== undefined && jsonBytes > contentLength) throw truncated(what, jsonBytes, contentLength);
  const held = new HeldRuns(account, 'the JSON', BINARY_ADVICE);
  yield* consume(bytes, jsonBytes, what, (run) => held.push(run));
  return yield { is: 'json', text: yield* gathered(held), fields: REQUEST_KEYS };
}

function tooMuchJson(maxJsonBytes: number): LossmeterError {
  const detail = `the JSON of the request has more than ${maxJsonBytes} bytes, the maximum; ${BINARY_ADVICE}`;
  return new LossmeterError('body_too_large', detail);
}

/** Fails fast when the announced length of the body is not the length of its JSON and tensors. */
function requireAnnounced(
  binary: readonly { byteLength: number }[],
  jsonBytes: number | undefined,
  contentLength: number | undefined,
): void {
  const expected = binary.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (jsonBytes === undefined) {
    if (expected === 0) return;
    const detail = `binary_data_size announces ${expected} bytes, but the header Inference-Header-Content-Length, which says where they begin, is missing`;
    throw new LossmeterError('malformed_body', detail);
  }
  if (contentLength === undefined) return;
  const came = contentLength - jsonBytes;
  if (came < expected) throw truncated('the binary data', expected, came);
  if (came > expected) {
    const detail = `${came} bytes follow the JSON, expected ${expected}: the sum of binary_data_size over the inputs`;
    throw new LossmeterError('malformed_body', detail);
  }
}
