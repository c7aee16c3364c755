/** Misspelt names: each refusal suggests the name that was probably meant. */
import { expect, test } from 'vitest';
import { JSON_TYPE, Service } from '../service.ts';

const service = Service.start({ dataDir: 'examples' });

const BATCH = { logits: [[1, 2]], label: [0] };

async function answerOf(line: string, body?: unknown): Promise<string> {
  const [method, path] = line.split(' ') as [string, string];
  const init = body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': JSON_TYPE } };
  return (await fetch(service.url + path, { method, ...init })).text();
}

test.each([
  ['POST /v1/cross_entropy', '/v1/cross-entropy'],
  ['POST /v1/kl_divergence', '/v1/kl-divergence'],
  ['GET /v1/run', '/v1/runs'],
  ['GET /v1/run/gpt/steps', '/v1/runs/gpt/steps'],
  ['GET /v1/runs/gpt/step/', '/v1/runs/gpt/steps'],
  ['GET /V1/info', '/v1/info'],
  ['GET /metric', '/metrics'],
  ['GET /v2/model', '/v2/models'],
])('%s', async (line, meant) => {
  expect(await answerOf(line)).toContain(`there is no ${line.split(' ')[1]}, did you mean ${meant}?`);
});

test('a path that is like none is answered with the manual', async () => {
  expect(await answerOf('GET /bananas')).toContain('there is no /bananas; /openapi.json and /docs describe the API');
});

test.each([
  ['GET /v1/runs?serch=gpt', 'search'],
  ['GET /v1/runs/gpt/steps?max-pionts=3', 'max_points'],
  ['PUT /v1/runs/gpt/steps/1/ranks/0?atempt=1', 'attempt'],
])('%s', async (line, meant) => {
  expect(await answerOf(line)).toContain(`is not a known parameter, did you mean ${meant}?`);
});

test('the values of a parameter are named', async () => {
  expect(await answerOf('GET /v1/runs?sort=newst')).toContain('must be one of newest, oldest, name, updated');
});

test.each<[string, unknown, string]>([
  ['POST /v1/cross-entropy', { ...BATCH, logts: [] }, 'logits'],
  ['POST /v1/cross-entropy', { ...BATCH, options: { reducton: 'sum' } }, 'reduction'],
  ['POST /v1/kl-divergence', { refernce: [], logits: [] }, 'reference'],
  ['POST /v1/logprobs/compare', { odl: [], new: [] }, 'old'],
  ['POST /v1/diagnose', { logits: [[1]], optoins: {} }, 'options'],
  ['POST /v1/cross-entropy/partials', { ...BATCH, vocab_strat: 0 }, 'vocab_start'],
  ['POST /v1/cross-entropy/combine', { partial: [] }, 'partials'],
  ['POST /v1/jobs', { kind: 'cross_entropy', fils: ['a'] }, 'files'],
  ['POST /v1/jobs', { kind: 'cross_entropy', files: ['a'], tensors: { labl: 'x' } }, 'label'],
  ['PUT /v1/runs/gpt', { lables: {} }, 'labels'],
  ['POST /v1/runs/gpt/rename', { nmae: 'x' }, 'name'],
  ['POST /v1/runs/gpt/batches', [{ step: 1, numeratr: 2, denominator: 1 }], 'numerator'],
  ['PUT /v1/runs/gpt/steps/1/ranks/0', { numertor: 1, denominator: 1 }, 'numerator'],
  ['POST /v2/models/cross_entropy/infer', { inputz: [] }, 'inputs'],
])('%s %j', async (line, body, meant) => {
  expect(await answerOf(line, body)).toContain(`did you mean ${meant}?`);
});
