import { Type } from 'typebox';
import { FLOAT_DTYPES } from '../tensor/dtype.ts';
import { IntegerDTypes } from './tensor.ts';

/** The answer of GET /livez. */
export const Liveness = Type.Object(
  { live: Type.Boolean({ description: 'The event loop answers.', examples: [true] }) },
  { additionalProperties: false, description: 'Liveness.' },
);

/** The answer of GET /readyz. */
export const Readiness = Type.Object(
  { ready: Type.Boolean({ description: 'Whether the service takes work.', examples: [true] }) },
  { additionalProperties: false, description: 'Readiness.' },
);

const bytes = (description: string, example: number) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description, examples: [example] });

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
        label: Type.Array(Type.String(), { description: 'dtypes of class indices.', examples: [[...IntegerDTypes]] }),
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
      description: 'Whether requests may name files of a data directory in place of tensors.',
      examples: [false],
    }),
    limits: Type.Object(
      {
        max_row_bytes: bytes('Largest row of logits.', 2 ** 26),
        max_body_bytes: bytes('Longest request body.', 2 ** 34),
        max_json_bytes: bytes('Longest JSON body.', 2 ** 26),
        max_bytes_in_flight: bytes('Bytes held over all requests.', 2 ** 30),
      },
      { additionalProperties: false, description: 'Limits, in bytes.' },
    ),
  },
  { additionalProperties: false, description: 'What this service is and can do.' },
);
