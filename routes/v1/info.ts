import type { FastifyInstance } from 'fastify';
import { LIMITS, snakeCase } from '../../src/config.ts';
import { OPTION_NAMES } from '../../src/loss/options.ts';
import { Info } from '../../src/contract/service.ts';
import { IntegerDTypes } from '../../src/contract/tensor.ts';
import { FLOAT_DTYPES } from '../../src/tensor/dtype.ts';
import { VERSION } from '../../src/version.ts';
import { CONTENT_ENCODINGS } from '../../src/wire/body/content-encoding.ts';
import { REPLY_MEDIA_TYPES, REQUEST_MEDIA_TYPES } from '../../src/wire/media-types.ts';

const schema = {
  tags: ['service'],
  operationId: 'getInfo',
  summary: 'Describe the service: version, features and limits',
  response: { 200: Info },
};

export default async function info(app: FastifyInstance): Promise<void> {
  const { config, pool } = app;
  const answer = {
    name: 'lossmeter',
    version: VERSION,
    kernel: pool.variant,
    workers: pool.workers,
    dtypes: { logits: FLOAT_DTYPES, label: [...IntegerDTypes, ...FLOAT_DTYPES] },
    media_types: { request: REQUEST_MEDIA_TYPES, reply: REPLY_MEDIA_TYPES },
    content_encodings: CONTENT_ENCODINGS,
    options: OPTION_NAMES,
    local_data: config.dataDir !== undefined,
    object_storage: config.s3Buckets !== undefined,
    limits: Object.fromEntries(LIMITS.map((key) => [snakeCase(key), config[key]])),
  };
  app.get('/info', { config: { scope: 'any' }, schema }, () => answer);
}
