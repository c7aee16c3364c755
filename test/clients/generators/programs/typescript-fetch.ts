/** Posts a batch with the client of OpenAPI Generator: node typescript-fetch.js URL BATCH */
import { readFileSync } from 'node:fs';
import { Configuration, CrossEntropyRequestFromJSON, EvaluationApi } from './client/index.js';

const [basePath, file] = process.argv.slice(2) as [string, string];
const crossEntropyRequest = CrossEntropyRequestFromJSON(JSON.parse(readFileSync(file, 'utf8')));
const api = new EvaluationApi(new Configuration({ basePath }));
const { loss } = await api.evaluateCrossEntropy({ crossEntropyRequest });
console.log(loss);
