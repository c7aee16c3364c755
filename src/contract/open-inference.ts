/** Bodies of the Open Inference Protocol, in the form of KServe and Triton. */
import { Type } from 'typebox';
import { ERRORS } from '../errors.ts';
import { MODEL } from '../inference/model.ts';
import { mapValues } from '../map-values.ts';
import { METRICS } from '../statistics/list.ts';
import { MAX_RANK } from '../tensor/shape.ts';
import { DTYPES } from '../tensor/dtype.ts';
import { datatypesOf } from '../wire/tensors/datatype.ts';
import { bytesBody } from './content.ts';
import { Diagnostics } from './diagnostics.ts';
import { INSTANCE } from './refusal-examples.ts';
import { codesOf, refusalResponses } from './refusal.ts';
import type { RefusalForm } from './refusal.ts';
import { Shape as shape, count, numberOrNonFinite } from './tensor.ts';

const INPUT_NAMES = Object.keys(MODEL.inputs);
const OUTPUT_NAMES = Object.keys(MODEL.outputs);
const DATATYPE_NAMES = datatypesOf(DTYPES);

const text = (description: string, example: string) => Type.String({ description, examples: [example] });

const truth = (description: string, example: boolean) => Type.Boolean({ description, examples: [example] });

const modelName = Type.Enum([MODEL.name], { description: 'Name of the model.', examples: [MODEL.name] });
const modelVersion = Type.Enum([MODEL.version], { description: 'Version of the model.', examples: [MODEL.version] });

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
  { models: Type.Array(modelName, { description: 'Names of the models.', examples: [[MODEL.name]] }) },
  { title: 'ModelList', additionalProperties: false, description: 'The models: there is one.' },
);

/** The answer of GET /v2/models/cross_entropy/ready. */
export const ModelReadiness = Type.Object(
  { name: modelName, ready: truth('True when the model accepts requests.', true) },
  { title: 'ModelReadiness', additionalProperties: false, description: 'Readiness of the model.' },
);

const datatype = (description: string) =>
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
        datatype: datatype('Its usual datatype; others are converted.'),
        shape: declaredShape,
      },
      { title, additionalProperties: false, description: 'A tensor.' },
    ),
    { description, examples: [[{ name: names[0]!, datatype: 'FP32', shape: [-1] }]] },
  );

/** The answer of GET /v2/models/cross_entropy. */
export const ModelMetadata = Type.Object(
  {
    name: modelName,
    versions: Type.Array(modelVersion, { description: 'Versions of the model.', examples: [[MODEL.version]] }),
    platform: text('The platform of the model.', MODEL.platform),
    inputs: declaredTensors(
      'DeclaredInput',
      INPUT_NAMES,
      'The inputs. The protocol has one datatype and rank for a tensor: logits may be FP16, BF16, FP32 or FP64 and have any number of leading axes, the others may have any datatype; `input_mask`, `weight`, `segments`, `bytes` and `words` are optional.',
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

/** The answer of GET /v2/models/cross_entropy/config: Triton's ModelConfig. */
export const ModelConfig = Type.Object(
  {
    name: modelName,
    platform: text('The platform of the model.', MODEL.platform),
    backend: text('Triton’s backend: none.', ''),
    max_batch_size: Type.Integer({
      minimum: 0,
      maximum: 0,
      description: 'No batching by the server: the first axis is the caller’s.',
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
          execution_count: count('Calls that succeeded: each is evaluated by itself.', 3),
          inference_stats: Type.Object(
            {
              success: duration('Calls that succeeded, from their first byte to their answer.'),
              fail: duration('Calls that were rejected or failed.'),
              queue: duration('Waiting: calls do not wait, their bodies do.'),
              compute_input: duration('Reading bodies. The kernels run meanwhile.'),
              compute_infer: duration('The kernels, added over workers.'),
              compute_output: duration('The reduction.'),
            },
            {
              title: 'InferenceDurations',
              additionalProperties: false,
              description: 'Durations since the start of the process.',
            },
          ),
          batch_stats: Type.Array(Type.Unknown(), { description: 'By batch size: none.', examples: [[]] }),
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

const id = Type.Optional(text('An identifier that the caller assigns to the call; the answer repeats it.', 'step-100'));

const binaryDataSize = Type.Optional(count('Number of its bytes after the JSON, instead of `data`.', 24));

const contentType = Type.Optional(
  Type.Unknown({ description: 'Ignored; clients of MLServer send it.', examples: ['np'] }),
);

/** The body of POST /v2/models/cross_entropy/infer. */
export const InferenceRequest = Type.Object(
  {
    id,
    parameters: Type.Optional(
      Type.Record(
        Type.String(),
        Type.Union([
          Type.Boolean(),
          Type.Number({ minimum: -Number.MAX_VALUE, maximum: Number.MAX_VALUE }),
          Type.String(),
        ]),
        {
          description:
            'The options of `/v1/cross-entropy` by their names; lists and maps are JSON text. `binary_data_output` asks for all outputs as bytes. The other parameters of the protocol and of Triton (`timeout`, `priority`, `sequence_id`, …) are ignored.',
          examples: [{ reduction: 'sum', outputs: '["lse"]' }],
        },
      ),
    ),
    inputs: Type.Array(
      Type.Object(
        {
          name: Type.Enum(INPUT_NAMES, {
            description: 'The corresponding field of `/v1/cross-entropy`. `logits` are streamed when they are last.',
            examples: ['logits'],
          }),
          shape,
          datatype: datatype('Type of the elements.'),
          parameters: Type.Optional(
            Type.Object(
              { binary_data_size: binaryDataSize, content_type: contentType },
              { title: 'InputParameters', additionalProperties: false, description: 'Parameters of the input.' },
            ),
          ),
          data: Type.Optional(
            Type.Array(Type.Unknown(), {
              description:
                'The elements, as a flat or nested array of numbers, "NaN", "Infinity" or "-Infinity"; those of FP16 and BF16 are rounded.',
              examples: [[1, 2, 3, 0, 1, 0]],
            }),
          ),
        },
        { title: 'InferenceInput', additionalProperties: false, description: 'An input.' },
      ),
      {
        description:
          '`label` and `logits`, and optionally `input_mask`, `weight`, `segments`, `bytes` and `words`. Their bytes follow in this order.',
        examples: [
          [
            { name: 'label', shape: [2], datatype: 'INT64', data: [2, 0] },
            { name: 'logits', shape: [2, 3], datatype: 'FP32', data: [1, 2, 3, 0, 1, 0] },
          ],
        ],
      },
    ),
    outputs: Type.Optional(
      Type.Array(
        Type.Object(
          {
            name: Type.Enum(OUTPUT_NAMES, {
              description: 'Name of the output. Naming a tensor of `options.outputs` requests it.',
              examples: ['loss'],
            }),
            parameters: Type.Optional(
              Type.Object(
                {
                  binary_data: Type.Optional(truth('True to receive it as bytes after the JSON.', true)),
                  content_type: contentType,
                },
                { additionalProperties: false, description: 'Parameters of the output.' },
              ),
            ),
          },
          { title: 'RequestedOutput', additionalProperties: false, description: 'A requested output.' },
        ),
        {
          description:
            'The requested outputs, in addition to `parameters.outputs`. Default: loss, numerator, denominator, nan_count and inf_count.',
          examples: [[{ name: 'loss' }]],
        },
      ),
    ),
    model_name: Type.Optional(text('Ignored, because the path has it. KServe’s client sends it.', MODEL.name)),
    model_version: Type.Optional(text('Ignored, because the path has it.', MODEL.version)),
  },
  {
    title: 'InferenceRequest',
    additionalProperties: false,
    description: 'A batch to evaluate.',
    examples: [
      {
        inputs: [
          { name: 'label', shape: [2], datatype: 'INT64', data: [2, 0] },
          { name: 'logits', shape: [2, 3], datatype: 'FP32', data: [1, 2, 3, 0, 1, 0] },
        ],
      },
    ],
  },
);

/** The same body with bytes of tensors after its JSON. */
export const InferenceBody = bytesBody(
  'InferenceBody',
  'The JSON body, then the bytes of the tensors that have `binary_data_size`. `Inference-Header-Content-Length` has the length of the JSON.',
);

const result = (description: string, example: number) => Type.Optional(numberOrNonFinite(description, example));

/** The answer of POST /v2/models/cross_entropy/infer. */
export const InferenceResponse = Type.Object(
  {
    model_name: modelName,
    model_version: modelVersion,
    id,
    parameters: Type.Object(
      {
        verdict: Type.Enum(['finite', 'non_finite'], {
          description: '`finite` when the loss (without one, the numerator) is finite.',
          examples: ['finite'],
        }),
        z_loss: numberOrNonFinite('Z = λ·Σ m·lse² over counted rows.', 0),
        mean_nll: numberOrNonFinite('Σ m·nll / Σ m over counted rows, in nats.', 0.6581),
        perplexity: result('exp(mean_nll).', 1.9311),
        bits_per_token: result('mean_nll / ln 2.', 0.94944),
        ...mapValues(METRICS, ({ example }) => result('A requested metric.', example)),
        sequences: Type.Optional(
          text(
            '`sequences` of `/v1/cross-entropy`, as JSON text; only when `outputs` has `sequences`.',
            '[{"tokens":0,"numerator":null,"denominator":null,"mean_nll":null,"perplexity":null}]',
          ),
        ),
        rows: text('`rows` of `/v1/cross-entropy`, as JSON text.', '{"total":2,"counted":2,"ignored":0,"masked":0}'),
        diagnostics: text('`diagnostics` of `/v1/cross-entropy`, as JSON text.', '{"verdict":"finite"}'),
        kernel: text('The kernel that computed it.', 'f32-relaxed-simd'),
      },
      { title: 'InferenceResults', additionalProperties: false, description: 'The results that are not tensors.' },
    ),
    outputs: Type.Array(
      Type.Object(
        {
          name: Type.Enum(OUTPUT_NAMES, { description: 'The output.', examples: ['loss'] }),
          datatype: datatype('Type of the elements.'),
          shape,
          parameters: Type.Optional(
            Type.Object(
              { binary_data_size: binaryDataSize },
              { additionalProperties: false, description: 'Parameters of the output.' },
            ),
          ),
          data: Type.Optional(
            Type.Array(numberOrNonFinite('An element.', 0.6581), {
              description: 'The elements, as a flat array.',
              examples: [[0.6581]],
            }),
          ),
        },
        { title: 'InferenceOutput', additionalProperties: false, description: 'An output.' },
      ),
      { description: 'The outputs. Their bytes follow in this order.', examples: [[]] },
    ),
  },
  { title: 'InferenceResponse', additionalProperties: false, description: 'The evaluated batch.' },
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
