import type { FastifyInstance } from 'fastify';
import { LossmeterError } from '../../src/errors.ts';
import type { DeclaredTensor } from '../../src/inference/model.ts';
import { MODELS, pathsOf } from '../../src/inference/models.ts';
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

type Listed = (typeof MODELS)[number];

const metadataOf = ({ name, version, platform, inputs, outputs }: Listed) => ({
  name,
  versions: [version],
  platform,
  inputs: declared(inputs),
  outputs: declared(outputs),
});

const configured = <T extends DeclaredTensor>(tensors: Readonly<Record<string, T>>) =>
  Object.entries(tensors).map(([name, { dtype, shape, ...others }]) => ({
    name,
    data_type: `TYPE_${ELEMENT_TYPES[dtype].openInference}`,
    dims: shape,
    ...others,
  }));

const configOf = ({ name, platform, inputs, outputs, names }: Listed) => ({
  name,
  platform,
  backend: '',
  max_batch_size: 0,
  input: configured(inputs),
  output: configured(outputs),
  parameters: Object.fromEntries(
    names.inputs.map((input) => [`${input}.datatypes`, { string_value: datatypesOf(TENSORS[input].dtypes).join(',') }]),
  ),
});

export default async function models(app: FastifyInstance): Promise<void> {
  const config = { scope: 'any' } as const;
  const errors = inferenceErrors(503);
  const list = { tags, operationId: 'listModels', summary: 'The models', response: { 200: ModelList, ...errors } };
  app.get('/models', { config, schema: list }, () => ({ models: MODELS.map(({ name }) => name) }));

  const statistics = (suffix: string) => ({
    tags,
    operationId: `getStatistics${suffix}`,
    summary: 'Get the number of calls and their durations',
    response: { 200: ModelStatistics, ...errors },
  });
  app.get('/models/stats', { config, schema: statistics('') }, () => statisticsOf(app, MODELS));

  for (const model of MODELS) for (const paths of pathsOf(model.name)) addModel(model, paths);

  function addModel(model: Listed, { path, suffix }: { path: string; suffix: string }): void {
    const described = metadataOf(model);
    const inTriton = configOf(model);
    const operation = (name: string, summary: string, answer: object) => ({
      tags,
      operationId: `getModel${suffix}${name}`,
      summary,
      response: { 200: answer, ...errors },
    });
    const metadata = operation('Metadata', 'Get the inputs and outputs of the model', ModelMetadata);
    app.get(path, { config, schema: metadata }, () => described);

    const configuration = operation('Config', 'Get the configuration of the model, in Triton’s form', ModelConfig);
    app.get(`${path}/config`, { config, schema: configuration }, () => inTriton);

    const readiness = operation('Ready', 'Readiness of the model', ModelReadiness);
    app.get(`${path}/ready`, { config: { scope: 'open' }, schema: readiness }, () => {
      if (app.isReady()) return { name: model.name, ready: true };
      throw new LossmeterError('shutting_down', 'the service takes no work at the moment');
    });

    app.get(`${path}/stats`, { config, schema: statistics(`OfModel${suffix}`) }, () => statisticsOf(app, [model]));
  }
}

function statisticsOf({ inferenceStatistics }: FastifyInstance, models: readonly Listed[]) {
  return {
    model_stats: models.map(({ name, version }) => {
      const { lastInference, success, fail, input, infer, output } = inferenceStatistics.get(name)!.snapshot();
      return {
        name,
        version,
        last_inference: lastInference,
        inference_count: success.count,
        execution_count: success.count,
        inference_stats: {
          success,
          fail,
          queue: {
            count: 0,
            ns: 0,
          },
          compute_input: input,
          compute_infer: infer,
          compute_output: output,
        },
        batch_stats: [],
      };
    }),
  };
}
