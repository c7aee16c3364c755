/** Reads the JSON of a request of the Open Inference Protocol: its options, its requested outputs and its inputs. */
import { LossmeterError, refuse } from '../../errors.ts';
import { pointerTo, showValue, suggestName } from '../../suggestion.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { Shape } from '../../tensor/shape.ts';
import { parseOptionsText } from '../json-text/text.ts';
import { NumberArray } from '../json-text/number-array.ts';
import { requireDatatype } from '../tensors/datatype.ts';
import { INPUT_KEYS, TENSORS } from '../request-fields.ts';
import type { RequestFields, TensorName } from '../request-fields.ts';
import { SYNONYMS, missingField } from '../request.ts';
import { isReadElements, requireByteLength, requireShape } from '../tensors/tensor-value.ts';

interface InferenceInput {
  readonly name: TensorName;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Number of its bytes after the JSON; undefined if `data` contains the tensor. */
  readonly byteLength: number | undefined;
  /** Numbers, flat or nested; bytes if a worker has read them. */
  readonly data: unknown;
}

interface RequestedOutput {
  readonly name: string;
  /** True if the answer sends it as bytes after the JSON. */
  readonly binary: boolean;
}

/** Request without the bytes after its JSON. */
export interface InferenceRequest {
  readonly id: string | undefined;
  /** Unchecked options; undefined without parameters. */
  readonly options: Readonly<Record<string, unknown>> | undefined;
  /** Inputs in the order of their bytes. */
  readonly inputs: readonly InferenceInput[];
  /** Outputs that the request lists. */
  readonly outputs: readonly RequestedOutput[];
  /** True if outputs that are not listed are sent as bytes. */
  readonly binaryOutput: boolean;
}

/** Names of the tensors of a model. */
export interface ModelNames {
  /** Inputs, in the order of the model. */
  readonly inputs: readonly TensorName[];
  /** Outputs of every answer. */
  readonly always: readonly string[];
  /** Outputs that the option `outputs` selects. */
  readonly optional: readonly string[];
}

export const REQUEST_KEYS = ['id', 'parameters', 'inputs', 'outputs', 'model_name', 'model_version'];
const OUTPUT_KEYS = ['name', 'parameters'];

/** Parameters of the protocol and of its clients. All except the first are ignored. */
const PROTOCOL_PARAMETERS: ReadonlySet<string> = new Set([
  'binary_data_output',
  // Sent by MLServer's clients, here and on tensors.
  'content_type',
  'sequence_id',
  'sequence_start',
  'sequence_end',
  'priority',
  'timeout',
  'headers',
]);
const TRITON_PREFIX = 'triton_';

/** Parameters of a tensor that request unsupported features, and the features. */
const NOT_IMPLEMENTED: Readonly<Record<string, string>> = {
  shared_memory_region: 'shared memory',
  shared_memory_byte_size: 'shared memory',
  shared_memory_offset: 'shared memory',
  classification: 'the classification extension',
};

/** Largest number of characters of an id, which the answer repeats. */
const MAX_ID_LENGTH = 1024;

/** Largest number of characters of a parameter that is JSON text. Lists of options are short. */
const MAX_PARAMETER_LENGTH = 65_536;

/** Largest number of inputs or outputs. It exceeds the number of known names, so that an error can name the unknown one. */
const MAX_TENSORS = 64;

type Fields = Readonly<Record<string, unknown>>;

/** @throws LossmeterError */
export function readInferenceRequest(
  value: unknown,
  names: ModelNames,
  { required }: Pick<RequestFields, 'required'>,
): InferenceRequest {
  const request = requireObject('the request', value);
  requireKeys('the request', request, REQUEST_KEYS);
  const { id = null, parameters = null } = request;
  if (id !== null && typeof id !== 'string') {
    throw new LossmeterError('malformed_body', `id is ${showValue(id)}, expected a string`);
  }
  if (id !== null && id.length > MAX_ID_LENGTH) {
    const detail = `id has ${id.length} characters, expected at most ${MAX_ID_LENGTH}`;
    throw new LossmeterError('malformed_body', detail);
  }
  const given = parameters === null ? undefined : requireObject('parameters', parameters);
  const binaryOutput = requireBoolean('parameters.binary_data_output', given?.['binary_data_output'] ?? false);
  const outputs = readOutputs(request['outputs'] ?? [], names, binaryOutput);
  const wanted = outputs.map(({ name }) => name).filter((name) => names.optional.includes(name));
  return {
    id: id ?? undefined,
    options: optionsFrom(given, wanted),
    inputs: readInputs(request['inputs'], names, required),
    outputs,
    binaryOutput,
  };
}

function readInputs(
  value: unknown,
  { inputs: names }: Pick<ModelNames, 'inputs'>,
  required: readonly TensorName[],
): InferenceInput[] {
  if (value === undefined || value === null) {
    const detail = `inputs is missing: expected a list with at least ${names.filter((name) => required.includes(name)).join(' and ')}`;
    throw refuse('missing_field', '/inputs', detail);
  }
  const inputs = requireList('inputs', value).map((input, index) => readInput(input, index, names));
  requireDistinct('input', inputs);
  const missing = required.find((name) => !inputs.some((input) => input.name === name));
  if (missing !== undefined) throw missingField(missing);
  return inputs;
}

function readInput(value: unknown, index: number, names: readonly TensorName[]): InferenceInput {
  const input = requireObject(`inputs[${index}]`, value);
  const name = requireName(['inputs', index], input['name'], names, SYNONYMS) as TensorName;
  requireKeys(`the input ${name}`, input, INPUT_KEYS);
  const { binary_data_size: size = null } = readParameters(
    { tensor: name, at: pointerTo('inputs', index) },
    input['parameters'],
    ['binary_data_size'],
  );
  const dtype = requireDatatype({ input: name, index }, input['datatype'], TENSORS[name].dtypes);
  const shape = requireShape(name, input['shape']);
  const { data = null } = input;
  if (size === null) {
    // JSON has no bytes: if data is bytes, a worker has read it.
    const isRead = data instanceof Uint8Array || isReadElements(data);
    if (!Array.isArray(data) && !isRead && !(data instanceof NumberArray)) {
      const detail = `the input ${name} has no data: expected a list "data" or "parameters": {"binary_data_size"}`;
      throw refuse('invalid_tensor', pointerTo('inputs', index), detail);
    }
    return { name, dtype, shape, byteLength: undefined, data };
  }
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    const detail = `binary_data_size of ${name} is ${showValue(size)}, expected a number of bytes`;
    throw refuse('invalid_tensor', pointerTo('inputs', index, 'parameters', 'binary_data_size'), detail);
  }
  if (data !== null) {
    const detail = `the input ${name} has both data and binary_data_size, expected one of them`;
    throw refuse('invalid_tensor', pointerTo('inputs', index), detail);
  }
  requireByteLength(name, dtype, shape, size as number);
  return { name, dtype, shape, byteLength: size as number, data: undefined };
}

function readOutputs(value: unknown, { always, optional }: ModelNames, binaryOutput: boolean): RequestedOutput[] {
  const names = [...always, ...optional];
  const outputs = requireList('outputs', value).map((entry, index) => {
    const output = requireObject(`outputs[${index}]`, entry);
    const name = requireName(['outputs', index], output['name'], names);
    requireKeys(`the output ${name}`, output, OUTPUT_KEYS);
    const { binary_data: binary = binaryOutput } = readParameters(
      { tensor: name, at: pointerTo('outputs', index) },
      output['parameters'],
      ['binary_data'],
    );
    return { name, binary: requireBoolean(`binary_data of ${name}`, binary) };
  });
  requireDistinct('output', outputs);
  return outputs;
}

/** Options among the parameters. Parameters are scalars, so lists and maps are sent as JSON text. */
function optionsFrom(parameters: Fields | undefined, outputs: readonly string[]): Fields | undefined {
  const options = Object.fromEntries(
    Object.entries(parameters ?? {})
      .filter(([name, value]) => !isProtocolParameter(name) && value !== null)
      .map(([name, value]) => [name, isJsonText(value) ? parseParameter(name, value) : value]),
  );
  if (outputs.length === 0) return parameters && options;
  const { outputs: given = [] } = options;
  // Another value is refused later, when the options are checked.
  if (!Array.isArray(given)) return options;
  return { ...options, outputs: [...given, ...outputs.filter((name) => !given.includes(name))] };
}

function isProtocolParameter(name: string): boolean {
  return PROTOCOL_PARAMETERS.has(name) || name.startsWith(TRITON_PREFIX);
}

function isJsonText(value: unknown): value is string {
  return typeof value === 'string' && /^\s{0,64}[[{]/.test(value);
}

function parseParameter(name: string, text: string): unknown {
  if (text.length > MAX_PARAMETER_LENGTH) {
    const detail = `parameters.${name} has ${text.length} characters, expected at most ${MAX_PARAMETER_LENGTH}`;
    throw refuse('invalid_option', pointerTo('parameters', name), detail);
  }
  try {
    return parseOptionsText(text);
  } catch (cause) {
    const detail = `parameters.${name} is ${showValue(text)}, expected JSON text: ${(cause as SyntaxError).message}`;
    throw new LossmeterError('invalid_option', detail, [{ pointer: pointerTo('parameters', name), detail }], { cause });
  }
}

/** Parameters of an input or output. */
function readParameters(
  { tensor, at }: { tensor: string; at: string },
  value: unknown,
  known: readonly string[],
): Fields {
  if (value === undefined || value === null) return {};
  const parameters = requireObject(`parameters of ${tensor}`, value);
  const asked = Object.keys(parameters).find((name) => Object.hasOwn(NOT_IMPLEMENTED, name));
  if (asked !== undefined) {
    const detail = `parameters of ${tensor} ask for ${NOT_IMPLEMENTED[asked]}, which this service does not support`;
    throw refuse('not_implemented', `${at}${pointerTo('parameters', asked)}`, detail);
  }
  // MLServer's clients add content_type.
  requireKeys(`parameters of ${tensor}`, parameters, [...known, 'content_type']);
  return Object.fromEntries(Object.entries(parameters).filter(([, inner]) => inner !== null));
}

function requireObject(what: string, value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new LossmeterError('malformed_body', `${what} is ${showValue(value)}, expected an object`);
}

function requireList(what: string, value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw new LossmeterError('malformed_body', `${what} is ${showValue(value)}, expected a list`);
  }
  if (value.length <= MAX_TENSORS) return value;
  throw new LossmeterError('malformed_body', `${what} has ${value.length} entries, expected at most ${MAX_TENSORS}`);
}

function requireKeys(what: string, value: Fields, known: readonly string[]): void {
  const stranger = Object.keys(value).find((key) => !known.includes(key));
  if (stranger === undefined) return;
  const meant = suggestName(stranger, known, { dtype: 'datatype', output: 'outputs', input: 'inputs' });
  const hint =
    meant === undefined || !known.includes(meant) ? `; known are ${known.join(', ')}` : `, did you mean ${meant}?`;
  throw new LossmeterError('unknown_field', `unknown key ${showValue(stranger)} in ${what}${hint}`);
}

function requireName(
  [list, index]: readonly [list: 'inputs' | 'outputs', index: number],
  value: unknown,
  known: readonly string[],
  synonyms: Readonly<Record<string, string>> = {},
): string {
  if (typeof value === 'string' && known.includes(value)) return value;
  const meant = typeof value === 'string' ? suggestName(value, known, synonyms) : undefined;
  const hint = meant === undefined ? `one of ${known.join(', ')}` : meant;
  const detail = `the name of ${list}[${index}] is ${showValue(value)}, expected ${hint}`;
  throw refuse('unknown_field', pointerTo(list, index, 'name'), detail);
}

function requireDistinct(what: string, tensors: readonly { name: string }[]): void {
  const names = tensors.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new LossmeterError('malformed_body', `the ${what} ${twice} comes twice`);
}

function requireBoolean(what: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new LossmeterError('malformed_body', `${what} is ${showValue(value)}, expected true or false`);
}
