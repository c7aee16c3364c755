/** Posts a batch with openapi-fetch and the types of openapi-typescript: node openapi-typescript.js URL BATCH */
import { readFileSync } from 'node:fs';
import createClient from 'openapi-fetch';
import type { components, paths } from './client.ts';

const [baseUrl, file] = process.argv.slice(2) as [string, string];
const body = JSON.parse(readFileSync(file, 'utf8')) as components['schemas']['CrossEntropyRequest'];
const { data, error } = await createClient<paths, 'application/json' | 'application/problem+json'>({ baseUrl }).POST(
  '/v1/cross-entropy',
  { body },
);
if (data === undefined) throw new Error(error.detail);
const loss: number | components['schemas']['NonFinite'] | undefined = data.loss;
console.log(loss);
