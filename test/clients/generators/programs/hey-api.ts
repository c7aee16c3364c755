/** Posts a batch with the client of @hey-api/openapi-ts: node hey-api.js URL BATCH */
import { readFileSync } from 'node:fs';
import { client } from './client/client.gen.ts';
import { evaluateCrossEntropy } from './client/index.ts';
import type { CrossEntropyRequest, NumberOrNonFinite } from './client/index.ts';

const [baseUrl, file] = process.argv.slice(2) as [string, string];
client.setConfig({ baseUrl });
const body = JSON.parse(readFileSync(file, 'utf8')) as CrossEntropyRequest;
const { data } = await evaluateCrossEntropy({ body, throwOnError: true });
const loss: NumberOrNonFinite | undefined = data.loss;
console.log(loss);
