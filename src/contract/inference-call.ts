/** Calls of models by the Open Inference Protocol: a request and an answer for each model. */
import { Type } from '#typebox';
import type { TProperties } from '#typebox';
import { CROSS_ENTROPY_MODEL } from '../inference/cross-entropy.ts';
import { KL_DIVERGENCE_MODEL } from '../inference/kl-divergence.ts';
import { mapValues } from '../map-values.ts';
import { METRICS } from '../statistics/list.ts';
import { bytesBody } from './content.ts';
import { datatype, text, truth } from './open-inference.ts';
import { Shape as shape, count, numberOrNonFinite } from './tensor.ts';

/** Parts in which the calls of models differ. */
interface CallOf {
  model: { name: string; version: string; inputs: object; outputs: object };
  /** Beginning of the titles of its schemas. */
  prefix: string;
  /** Path of the operation outside of this protocol that gives the same evaluation. */
  path: string;
  /** Inputs in words, and an example of them. */
  inputs: string;
  example: readonly { name: string; shape: number[]; datatype: string; data: number[] }[];
  /** An example of parameters. */
  parameters: Record<string, string | number>;
  /** Results that are parameters of the answer. */
  results: TProperties;
}

const id = Type.Optional(text('An identifier that the caller assigns to the call; the answer repeats it.', 'step-100'));

const binaryDataSize = Type.Optional(count('Number of bytes of this tensor after the JSON. Replaces `data`.', 24));

const contentType = Type.Optional(
  Type.Unknown({ description: 'Ignored; clients of MLServer send it.', examples: ['np'] }),
);

const requestOf = ({ model, prefix, path, inputs, example, parameters }: CallOf) =>
  Type.Object(
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
            description: `The options of \`${path}\` by their names; lists and maps are JSON text. \`binary_data_output\` asks for all outputs as bytes. The other parameters of the protocol and of Triton (\`timeout\`, \`priority\`, \`sequence_id\`, …) are ignored.`,
            examples: [parameters],
          },
        ),
      ),
      inputs: Type.Array(
        Type.Object(
          {
            name: Type.Enum(Object.keys(model.inputs), {
              description: `The corresponding field of \`${path}\`. The last tensor after the JSON is streamed if it is \`logits\`, or \`reference\` in a comparison.`,
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
                  'The elements, as a flat or nested array of numbers, "NaN", "Infinity" or "-Infinity"; FP16 and BF16 values are rounded.',
                examples: [[1, 2, 3, 0, 1, 0]],
              }),
            ),
          },
          { title: `${prefix}InferenceInput`, additionalProperties: false, description: 'An input.' },
        ),
        { description: `${inputs} Bytes after the JSON are in this order.`, examples: [example] },
      ),
      outputs: Type.Optional(
        Type.Array(
          Type.Object(
            {
              name: Type.Enum(Object.keys(model.outputs), {
                description: 'Name of the output. Naming a tensor of `options.outputs` requests it.',
                examples: ['loss'],
              }),
              parameters: Type.Optional(
                Type.Object(
                  {
                    binary_data: Type.Optional(truth('True to receive this output as bytes after the JSON.', true)),
                    content_type: contentType,
                  },
                  { additionalProperties: false, description: 'Parameters of the output.' },
                ),
              ),
            },
            { title: `${prefix}RequestedOutput`, additionalProperties: false, description: 'A requested output.' },
          ),
          {
            description:
              'The requested outputs, in addition to `parameters.outputs`. Default: loss, numerator, denominator, nan_count and inf_count.',
            examples: [[{ name: 'loss' }]],
          },
        ),
      ),
      model_name: Type.Optional(
        text('Ignored: the path names the model. KServe’s client sends this field.', model.name),
      ),
      model_version: Type.Optional(text('Ignored: the path names the version.', model.version)),
    },
    {
      title: `${prefix}InferenceRequest`,
      additionalProperties: false,
      description: 'A batch to evaluate.',
      examples: [{ inputs: example }],
    },
  );

const responseOf = ({ model, prefix, results }: CallOf) =>
  Type.Object(
    {
      model_name: Type.Enum([model.name], { description: 'Name of the model.', examples: [model.name] }),
      model_version: Type.Enum([model.version], { description: 'Version of the model.', examples: [model.version] }),
      id,
      parameters: Type.Object(results, {
        title: `${prefix}InferenceResults`,
        additionalProperties: false,
        description: 'The results that are not tensors.',
      }),
      outputs: Type.Array(
        Type.Object(
          {
            name: Type.Enum(Object.keys(model.outputs), { description: 'The output.', examples: ['loss'] }),
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
          { title: `${prefix}InferenceOutput`, additionalProperties: false, description: 'An output.' },
        ),
        { description: 'The outputs. Bytes after the JSON are in this order.', examples: [[]] },
      ),
    },
    { title: `${prefix}InferenceResponse`, additionalProperties: false, description: 'The evaluated batch.' },
  );

/** Schemas of the calls of a model. */
export interface CallSchemas {
  request: object;
  /** The same body with bytes of tensors after its JSON. */
  body: object;
  response: object;
}

const callOf = (call: CallOf): CallSchemas => ({
  request: requestOf(call),
  body: bytesBody(
    `${call.prefix}InferenceBody`,
    'The JSON body, then the bytes of the tensors that have `binary_data_size`. `Inference-Header-Content-Length` is the length of the JSON, in bytes.',
  ),
  response: responseOf(call),
});

const result = (description: string, example: number) => Type.Optional(numberOrNonFinite(description, example));

const sequences = (path: string, names: readonly string[]) =>
  Type.Optional(
    text(
      `\`sequences\` of \`${path}\`, as JSON text; only when \`outputs\` has \`sequences\`.`,
      `[${JSON.stringify(Object.fromEntries(names.map((name) => [name, name === 'tokens' ? 0 : null])))}]`,
    ),
  );

/** Results in the answers of all models. */
const common = (path: string) => ({
  rows: text(`\`rows\` of \`${path}\`, as JSON text.`, '{"total":2,"counted":2,"ignored":0,"masked":0}'),
  diagnostics: text(`\`diagnostics\` of \`${path}\`, as JSON text.`, '{"verdict":"finite"}'),
  kernel: text('Kernel that computed the result.', 'f32-relaxed-simd'),
});

export const CROSS_ENTROPY_CALL = callOf({
  model: CROSS_ENTROPY_MODEL,
  prefix: '',
  path: '/v1/cross-entropy',
  inputs: '`label` and `logits`, and optionally `input_mask`, `weight`, `segments`, `bytes` and `words`.',
  example: [
    { name: 'label', shape: [2], datatype: 'INT64', data: [2, 0] },
    { name: 'logits', shape: [2, 3], datatype: 'FP32', data: [1, 2, 3, 0, 1, 0] },
  ],
  parameters: { reduction: 'sum', outputs: '["lse"]' },
  results: {
    verdict: Type.Enum(['finite', 'non_finite'], {
      description: '`finite` when loss, numerator and z_loss are finite.',
      examples: ['finite'],
    }),
    z_loss: numberOrNonFinite('Z = λ·Σ m·lse² over counted rows.', 0),
    mean_nll: numberOrNonFinite('Σ m·nll / Σ m over counted rows, in nats.', 0.6581),
    perplexity: result('exp(mean_nll).', 1.9311),
    bits_per_token: result('mean_nll / ln 2.', 0.94944),
    ...mapValues(METRICS, ({ example }) => result('A requested metric.', example)),
    sequences: sequences('/v1/cross-entropy', ['tokens', 'numerator', 'denominator', 'mean_nll', 'perplexity']),
    ...common('/v1/cross-entropy'),
  },
});

const resultText = (name: string, example: string) =>
  text(`\`${name}\` of \`/v1/kl-divergence\`, as JSON text.`, example);

export const KL_DIVERGENCE_CALL = callOf({
  model: KL_DIVERGENCE_MODEL,
  prefix: 'Comparison',
  path: '/v1/kl-divergence',
  inputs:
    '`logits`, and `reference` or, for the top K of a teacher, `reference.indices` and `reference.logprobs`; optionally `label`, `input_mask` and `segments`.',
  example: [
    { name: 'reference', shape: [1, 3], datatype: 'FP32', data: [1.1, 2, 2.9] },
    { name: 'logits', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] },
  ],
  parameters: { direction: 'reverse', outputs: '["kl_divergence"]' },
  results: {
    verdict: Type.Enum(['finite', 'non_finite'], {
      description: '`finite` when the numerator is finite.',
      examples: ['finite'],
    }),
    kl_divergence: resultText('kl_divergence', '{"mean":0.0021}'),
    top1_agreement: resultText('top1_agreement', '{"fraction":0.98,"standard_error":0.004}'),
    probability_difference: Type.Optional(resultText('probability_difference', '{"mean":-0.0002}')),
    perplexity: Type.Optional(resultText('perplexity', '{"ratio":{"value":1.0016,"standard_error":0.0004}}')),
    worst_rows: resultText('worst_rows', '[]'),
    sequences: sequences('/v1/kl-divergence', ['tokens', 'numerator', 'denominator', 'mean']),
    ...common('/v1/kl-divergence'),
  },
});
