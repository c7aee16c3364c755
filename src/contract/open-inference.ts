/** Bodies of the Open Inference Protocol, in the form of KServe and Triton. */
import { Type } from '#typebox';
import { ERRORS } from '../errors.ts';
import { MODELS } from '../inference/models.ts';
import { MAX_RANK } from '../tensor/shape.ts';
import { DTYPES } from '../tensor/dtype.ts';
import { datatypesOf } from '../wire/tensors/datatype.ts';
import { Diagnostics } from './diagnostics.ts';
import { TraceId } from './problem.ts';
import { INSTANCE } from './refusal-examples.ts';
import { codesOf, refusalResponses } from './refusal.ts';
import type { RefusalForm } from './refusal.ts';
import { count } from './tensor.ts';

const namesOf = (of: (model: (typeof MODELS)[number]) => object): string[] => [
  ...new Set(MODELS.flatMap((model) => Object.keys(of(model)))),
];

const INPUT_NAMES = namesOf(({ inputs }) => inputs);
const OUTPUT_NAMES = namesOf(({ outputs }) => outputs);
const DATATYPE_NAMES = datatypesOf(DTYPES);
const [{ name, version, platform }] = MODELS;

export const text = (description: string, example: string) => Type.String({ description, examples: [example] });

export const truth = (description: string, example: boolean) => Type.Boolean({ description, examples: [example] });

const modelName = Type.Enum(
  MODELS.map((model) => model.name),
  { title: 'ModelName', description: 'Name of the model.', examples: [name] },
);
const modelVersion = Type.Enum([...new Set(MODELS.map((model) => model.version))], {
  description: 'Version of the model.',
  examples: [version],
});

/** The answer of GET /v2. */
export const ServerMetadata = Type.Object(
  {
    name: text('Name of the server.', 'lossmeter'),
    version: text('Version of the server.', '0.1.0'),
    extensions: Type.Array(Type.String(), {
      description: 'Supported extensions of the protocol.',
      examples: [['binary_tensor_data']],
    }),
  },
  { title: 'ServerMetadata', additionalProperties: false, description: 'Metadata of the server.' },
);

/** The answers of GET /v2/health/live and /v2/health/ready. */
export const ServerHealth = Type.Object(
  { live: truth('The event loop answers.', true), ready: truth('True when the service accepts requests.', true) },
  { title: 'ServerHealth', additionalProperties: false, description: 'Liveness and readiness.' },
);

/** The answer of GET /v2/models. */
export const ModelList = Type.Object(
  {
    models: Type.Array(modelName, {
      description: 'Names of the models.',
      examples: [MODELS.map((model) => model.name)],
    }),
  },
  { title: 'ModelList', additionalProperties: false, description: 'The models.' },
);

/** The answer of GET /v2/models/{model}/ready. */
export const ModelReadiness = Type.Object(
  { name: modelName, ready: truth('True when the model accepts requests.', true) },
  { title: 'ModelReadiness', additionalProperties: false, description: 'Readiness of the model.' },
);

export const datatype = (description: string) =>
  Type.Enum(DATATYPE_NAMES, { title: 'Datatype', description, examples: ['FP32'] });

const declaredShape = Type.Array(Type.Integer({ minimum: -1, maximum: Number.MAX_SAFE_INTEGER }), {
  maxItems: MAX_RANK,
  description: 'Sizes of the axes; −1 is any.',
  examples: [[-1, -1]],
});

const declaredTensors = (title: string, names: string[], description: string) =>
  Type.Array(
    Type.Object(
      {
        name: Type.Enum(names, { description: 'Name of the tensor.', examples: [names[0]] }),
        datatype: datatype('Usual datatype of the tensor. Other datatypes are converted.'),
        shape: declaredShape,
      },
      { title, additionalProperties: false, description: 'A tensor.' },
    ),
    { description, examples: [[{ name: names[0]!, datatype: 'FP32', shape: [-1] }]] },
  );

/** The answer of GET /v2/models/{model}. */
export const ModelMetadata = Type.Object(
  {
    name: modelName,
    versions: Type.Array(modelVersion, { description: 'Versions of the model.', examples: [[version]] }),
    platform: text('The platform of the model.', platform),
    inputs: declaredTensors(
      'DeclaredInput',
      INPUT_NAMES,
      'The inputs. The protocol states only one datatype and one rank per tensor. Logits and a reference may also be FP16, BF16, FP32 or FP64, and have any number of leading axes. Other inputs may have any datatype. The configuration says which inputs are optional.',
    ),
    outputs: declaredTensors('DeclaredOutput', OUTPUT_NAMES, 'The possible outputs.'),
  },
  { title: 'ModelMetadata', additionalProperties: false, description: 'The inputs and outputs of the model.' },
);

const configTensor = {
  data_type: Type.Enum(
    DATATYPE_NAMES.map((name) => `TYPE_${name}`),
    { description: 'Its usual datatype.', examples: ['TYPE_FP32'] },
  ),
  dims: declaredShape,
};

/** The answer of GET /v2/models/{model}/config: Triton's ModelConfig. */
export const ModelConfig = Type.Object(
  {
    name: modelName,
    platform: text('The platform of the model.', platform),
    backend: text('Backend of Triton: always empty.', ''),
    max_batch_size: Type.Integer({
      minimum: 0,
      maximum: 0,
      description: '0: the server does not batch, and the first axis belongs to the caller.',
      examples: [0],
    }),
    input: Type.Array(
      Type.Object(
        {
          name: Type.Enum(INPUT_NAMES, { description: 'Name of the input.', examples: ['logits'] }),
          ...configTensor,
          optional: truth('True for an optional input.', false),
        },
        { title: 'ConfiguredInput', additionalProperties: false, description: 'An input.' },
      ),
      { description: 'The inputs.', examples: [[]] },
    ),
    output: Type.Array(
      Type.Object(
        { name: Type.Enum(OUTPUT_NAMES, { description: 'Name of the output.', examples: ['loss'] }), ...configTensor },
        { title: 'ConfiguredOutput', additionalProperties: false, description: 'An output.' },
      ),
      { description: 'The possible outputs.', examples: [[]] },
    ),
    parameters: Type.Record(
      Type.String(),
      Type.Object(
        { string_value: text('The datatypes, separated by commas.', 'FP16,BF16,FP32,FP64') },
        { title: 'StringValue', additionalProperties: false, description: 'A parameter.' },
      ),
      {
        description: 'The supported datatypes of an input, under `<input>.datatypes`.',
        examples: [{ 'logits.datatypes': { string_value: 'FP16,BF16,FP32,FP64' } }],
      },
    ),
  },
  {
    title: 'ModelConfig',
    additionalProperties: false,
    description: 'The configuration of the model, in Triton’s form.',
  },
);

const duration = (description: string) =>
  Type.Object(
    {
      count: count('Number of calls.', 3),
      ns: count('Total duration, in nanoseconds.', 1_250_000),
    },
    { title: 'CallDuration', additionalProperties: false, description },
  );

/** The answer of GET /v2/models/stats. */
export const ModelStatistics = Type.Object(
  {
    model_stats: Type.Array(
      Type.Object(
        {
          name: modelName,
          version: modelVersion,
          last_inference: count(
            'Time of the last call, in milliseconds since 1970; 0 before the first.',
            1_760_000_000_000,
          ),
          inference_count: count('Calls that succeeded.', 3),
          execution_count: count('Calls that succeeded: each call is one execution.', 3),
          inference_stats: Type.Object(
            {
              success: duration('Calls that succeeded, from their first byte to their answer.'),
              fail: duration('Calls that were rejected or failed.'),
              queue: duration('Always 0. Time spent waiting is part of `success` and `fail`.'),
              compute_input: duration('Time to read bodies. The kernels run at the same time.'),
              compute_infer: duration('Time in kernels, summed over workers.'),
              compute_output: duration('Time of the reduction.'),
            },
            {
              title: 'InferenceDurations',
              additionalProperties: false,
              description: 'Durations since the start of the process.',
            },
          ),
          batch_stats: Type.Array(Type.Unknown(), {
            description: 'Statistics by batch size: always empty.',
            examples: [[]],
          }),
        },
        { title: 'ModelStatistics', additionalProperties: false, description: 'Statistics of a model.' },
      ),
      { description: 'Statistics by model.', examples: [[]] },
    ),
  },
  { title: 'StatisticsList', additionalProperties: false, description: 'Statistics of the calls under /v2.' },
);

/** The answer of POST /v2/repository/index. */
export const RepositoryIndex = Type.Array(
  Type.Object(
    {
      name: modelName,
      version: modelVersion,
      state: Type.Enum(['READY', 'UNAVAILABLE'], {
        description: '`READY` when the model accepts requests.',
        examples: ['READY'],
      }),
      reason: text('Reason of `UNAVAILABLE`; otherwise empty.', ''),
    },
    { title: 'RepositoryModel', additionalProperties: false, description: 'A model.' },
  ),
  { title: 'RepositoryIndex', description: 'The models.' },
);

const InferenceError = Type.Object(
  {
    error: text(
      'The received value, the expected value, and the place.',
      'label[3] is 50257, expected a class in [0, 50257)',
    ),
    code: Type.Enum(Object.keys(ERRORS), {
      description: 'The kind of error, for programs: see docs/errors.md.',
      examples: ['invalid_label'],
    }),
    instance: text('URN of this request; its log lines have it as `reqId`.', INSTANCE),
    trace_id: Type.Optional(TraceId),
    diagnostics: Type.Optional(Diagnostics),
  },
  {
    title: 'InferenceError',
    additionalProperties: false,
    description: 'An error, in the form of the Open Inference Protocol.',
  },
);

/** Form of refusals of the Open Inference Protocol. */
export const INFERENCE_ERROR_FORM: RefusalForm = {
  name: 'InferenceError',
  mediaType: 'application/json',
  schema: InferenceError,
  show: ({ code, detail }) => ({ error: detail, code, instance: INSTANCE }),
};

/** Responses of the given statuses, all of them errors. */
export function inferenceErrors(...statuses: number[]): Record<number, object> {
  return refusalResponses(codesOf(statuses), INFERENCE_ERROR_FORM);
}
