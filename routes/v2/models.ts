import type { FastifyInstance } from 'fastify';
import { LossmeterError } from '../../src/errors.ts';
import { MODEL } from '../../src/inference/model.ts';
import type { DeclaredTensor } from '../../src/inference/model.ts';
import {
  ModelConfig,
  ModelList,
  ModelMetadata,
  ModelReadiness,
  ModelStatistics,
  inferenceErrors,
} from '../../src/contract/open-inference.ts';
import { ELEMENT_TYPES } from '../../src/tensor/dtype.ts';
import { datatypesOf } from '../../src/wire/tensors/datatype.ts';
import { TENSORS } from '../../src/wire/request-fields.ts';

const tags = ['open inference'];

const declared = (tensors: Readonly<Record<string, DeclaredTensor>>) =>
  Object.entries(tensors).map(([name, { dtype, shape }]) => ({
    name,
    datatype: ELEMENT_TYPES[dtype].openInference,
    shape,
  }));

const METADATA = {
  name: MODEL.name,
  versions: [MODEL.version],
  platform: MODEL.platform,
  inputs: declared(MODEL.inputs),
  outputs: declared(MODEL.outputs),
};

const configured = <T extends DeclaredTensor>(tensors: Readonly<Record<string, T>>) =>
  Object.entries(tensors).map(([name, { dtype, shape, ...others }]) => ({
    ...{ name, data_type: `TYPE_${ELEMENT_TYPES[dtype].openInference}`, dims: shape },
    ...others,
  }));

const CONFIG = {
  name: MODEL.name,
  platform: MODEL.platform,
  backend: '',
  max_batch_size: 0,
  input: configured(MODEL.inputs),
  output: configured(MODEL.outputs),
  parameters: Object.fromEntries(
    Object.entries(TENSORS).map(([name, { dtypes }]) => [
      `${name}.datatypes`,
      { string_value: datatypesOf(dtypes).join(',') },
    ]),
  ),
};

/** Paths of the model with the differences between their operations. */
const PATHS = [
  [`/models/${MODEL.name}`, ''],
  [`/models/${MODEL.name}/versions/${MODEL.version}`, 'Version'],
] as const;

export default async function models(app: FastifyInstance): Promise<void> {
  const config = { scope: 'any' } as const;
  const errors = inferenceErrors(503);
  const list = { tags, operationId: 'listModels', summary: 'The models', response: { 200: ModelList, ...errors } };
  app.get('/models', { config, schema: list }, () => ({ models: [MODEL.name] }));

  const statistics = (suffix: string) => ({
    tags,
    operationId: `getStatistics${suffix}`,
    summary: 'Get the number of calls and their durations',
    response: { 200: ModelStatistics, ...errors },
  });
  app.get('/models/stats', { config, schema: statistics('') }, () => statisticsOf(app));

  for (const [path, suffix] of PATHS) {
    const operation = (name: string, summary: string, answer: object) => ({
      tags,
      operationId: `getModel${suffix}${name}`,
      summary,
      response: { 200: answer, ...errors },
    });
    const metadata = operation('Metadata', 'Get the inputs and outputs of the model', ModelMetadata);
    app.get(path, { config, schema: metadata }, () => METADATA);

    const configuration = operation('Config', 'Get the configuration of the model, in Triton’s form', ModelConfig);
    app.get(`${path}/config`, { config, schema: configuration }, () => CONFIG);

    const readiness = operation('Ready', 'Readiness of the model', ModelReadiness);
    app.get(`${path}/ready`, { config: { scope: 'open' }, schema: readiness }, () => {
      if (app.isReady()) return { name: MODEL.name, ready: true };
      throw new LossmeterError('shutting_down', 'the service takes no work at the moment');
    });

    app.get(`${path}/stats`, { config, schema: statistics(`OfModel${suffix}`) }, () => statisticsOf(app));
  }
}

function statisticsOf({ inferenceStatistics }: FastifyInstance) {
  const { lastInference, success, fail, input, infer, output } = inferenceStatistics.snapshot();
  return {
    model_stats: [
      {
        name: MODEL.name,
        version: MODEL.version,
        last_inference: lastInference,
        inference_count: success.count,
        execution_count: success.count,
        inference_stats: {
          ...{ success, fail, queue: { count: 0, ns: 0 } },
          ...{ compute_input: input, compute_infer: infer, compute_output: output },
        },
        batch_stats: [],
      },
    ],
  };
}
