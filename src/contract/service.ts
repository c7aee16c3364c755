import { Type } from '#typebox';
import type { TInteger, TOptional } from '#typebox';
import { Config, LIMITS, snakeCase } from '../config.ts';
import { FLOAT_DTYPES } from '../tensor/dtype.ts';
import { IntegerDTypes } from './tensor.ts';

/** The answer of GET /livez. */
export const Liveness = Type.Object(
  { live: Type.Boolean({ description: 'The event loop answers.', examples: [true] }) },
  { additionalProperties: false, title: 'Liveness', description: 'Liveness.' },
);

/** The answer of GET /readyz. */
export const Readiness = Type.Object(
  {
    ready: Type.Boolean({ description: 'True while the service accepts work.', examples: [true] }),
    history: Type.Optional(
      Type.Object(
        {
          available: Type.Boolean({ description: 'Always false.', examples: [false] }),
          detail: Type.String({
            description: 'The fault and its remedy.',
            examples: ['the history cannot be written: the disk is full. Make space, or delete runs'],
          }),
        },
        {
          additionalProperties: false,
          description: 'Present while runs cannot be recorded. Evaluations continue, so the service stays ready.',
        },
      ),
    ),
  },
  { additionalProperties: false, title: 'Readiness', description: 'Readiness.' },
);

/** The answer of GET /metrics. */
export const Metrics = Type.String({
  description: 'The text format of Prometheus, version 0.0.4.',
  examples: ['# TYPE lossmeter_evaluations_total counter\nlossmeter_evaluations_total{verdict="finite"} 42\n'],
});

/** The answer of GET /metrics with exemplars. */
export const OpenMetrics = Type.String({
  description: 'The text format of OpenMetrics, version 1.0.0.',
  examples: ['# TYPE lossmeter_evaluations counter\nlossmeter_evaluations_total{verdict="finite"} 42\n# EOF\n'],
});

/** A limit, as the configuration describes it; its default is the example. */
function limitSchema(key: (typeof LIMITS)[number]): TInteger | TOptional<TInteger> {
  const { description = '', default: example = 600 } = Config.properties[key] as {
    description?: string;
    default?: number;
  };
  const schema = Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    description: description.replaceAll(/LOSSMETER_(\w+)/g, (_, name: string) => name.toLowerCase()),
    examples: [example],
  });
  return Type.IsOptional(Config.properties[key]) ? Type.Optional(schema) : schema;
}

/** The answer of GET /v1/info. */
export const Info = Type.Object(
  {
    name: Type.String({ description: 'Name of the service.', examples: ['lossmeter'] }),
    version: Type.String({ description: 'Version of the service.', examples: ['0.1.0'] }),
    kernel: Type.Enum(['relaxed', 'strict'], { description: 'Variant of the kernels in use.', examples: ['relaxed'] }),
    workers: Type.Integer({ minimum: 1, maximum: 1024, description: 'Kernel worker threads.', examples: [2] }),
    dtypes: Type.Object(
      {
        logits: Type.Array(Type.String(), { description: 'dtypes of logits.', examples: [[...FLOAT_DTYPES]] }),
        label: Type.Array(Type.String(), {
          description: 'dtypes of labels: integers are class indices, floating point is class probabilities.',
          examples: [[...IntegerDTypes, ...FLOAT_DTYPES]],
        }),
      },
      { additionalProperties: false, description: 'Element types by tensor.' },
    ),
    media_types: Type.Object(
      {
        request: Type.Array(Type.String(), {
          description: 'Media types of request bodies.',
          examples: [['application/json']],
        }),
        reply: Type.Array(Type.String(), {
          description: 'Media types of answers, for Accept.',
          examples: [['application/json']],
        }),
      },
      { additionalProperties: false, description: 'Media types.' },
    ),
    content_encodings: Type.Array(Type.String(), {
      description: 'Content encodings of request bodies.',
      examples: [['gzip']],
    }),
    options: Type.Array(Type.String(), { description: 'Names of the options.', examples: [['reduction']] }),
    local_data: Type.Boolean({
      description: 'True when requests can name files of a data directory instead of tensors.',
      examples: [false],
    }),
    object_storage: Type.Boolean({
      description: 'True when requests can name objects of object storage instead of tensors.',
      examples: [false],
    }),
    limits: Type.Object(Object.fromEntries(LIMITS.map((key) => [snakeCase(key), limitSchema(key)])), {
      additionalProperties: false,
      title: 'Limits',
      description: 'Limits of requests; an absent limit is off.',
    }),
  },
  {
    title: 'Info',
    additionalProperties: false,
    description: 'The version, the features and the limits of this service.',
  },
);
