/** Sends random requests to real services, and counts values whose errors exceed the promise. */
import { expect, test } from 'vitest';
import { numbersOf } from '../../src/tensor/tensor.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { JSON_TYPE, MSGPACK, Service } from '../service.ts';
import type { Answer } from '../service.ts';
import { FORMATS } from '../wire/formats.ts';
import { violationsOf } from './check.ts';
import type { Received } from './check.ts';
import { exactAnswer } from './exact.ts';
import { batchOf, makeRequest } from './requests.ts';
import type { PrecisionRequest } from './requests.ts';

/** Number of requests of one test, which takes some seconds. */
const PER_TEST = 250;

/** Number of violations that a failure message shows: of a request, and in total. */
const SHOWN_OF_REQUEST = 2;
const SHOWN = 12;

const TYPES = {
  MessagePack: MSGPACK,
  'JSON with base64': JSON_TYPE,
  safetensors: 'application/vnd.safetensors',
};

/** Defines tests over the requests of a seed. Their names contain the seed. */
export function testPrecision({ seed, requests }: { seed: number; requests: number }): void {
  const services = {
    strict: Service.start({ kernel: 'strict' }),
    relaxed: Service.start({ kernel: 'relaxed' }),
  };
  const starts = Array.from({ length: Math.ceil(requests / PER_TEST) }, (_, k) => k * PER_TEST);

  test.each(starts)(`keep their promises: seed ${seed}, from request %i`, async (from) => {
    const violations: string[] = [];
    let count = 0;
    for (let index = from; index < Math.min(requests, from + PER_TEST); index++) {
      const request = makeRequest(seed, index);
      const received = await evaluate(request, services[request.variant]);
      const found = violationsOf(request, exactAnswer(request), received);
      count += found.length;
      violations.push(...found.slice(0, SHOWN_OF_REQUEST).map((line) => `${request.name}: ${line}`));
    }
    expect(violations.slice(0, SHOWN), `${count} values are off`).toEqual([]);
  });
}

async function evaluate(request: PrecisionRequest, service: Service): Promise<Received> {
  const { dtype, options, shardEnds } = request;
  let answer: Answer;
  if (shardEnds === undefined) {
    answer = await send(request, service, [0, request.classes]);
  } else {
    const ranges = shardEnds.map((end, k): [number, number] => [shardEnds[k - 1] ?? 0, end]);
    const partials = await Promise.all(ranges.map(async (range) => (await send(request, service, range)).body));
    answer = await requireOk(
      service.post({ partials }, { type: MSGPACK, headers: { accept: MSGPACK }, path: '/v1/cross-entropy/combine' }),
      request,
    );
  }
  const { metrics, outputs, diagnostics, ...fields } = answer.body;
  return {
    fields: numbersIn(fields),
    metrics: numbersIn(metrics),
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, elementsIn(tensor)])),
    gradientDType: options.gradient_dtype ?? dtype,
    norm: diagnostics.gradient && numberOf(diagnostics.gradient.norm),
    localLosses: diagnostics.local_losses?.map(numberOf),
    maximum: diagnostics.logits.max,
  };
}

/** Posts the columns of a request in its format; partials travel as MessagePack. */
function send(request: PrecisionRequest, service: Service, range: [number, number]): Promise<Answer> {
  const type = TYPES[request.format];
  const accept = type === JSON_TYPE && request.shardEnds === undefined ? JSON_TYPE : MSGPACK;
  const path = `/v1/cross-entropy${request.shardEnds === undefined ? '' : '/partials'}`;
  const batch = batchOf(request, range);
  const order = ['options', 'vocab_start', 'vocab_size', 'label', 'weight', 'input_mask', 'logits'] as const;
  const { body } = FORMATS.find(({ name }) => name === request.format)!.encode(batch, order);
  return requireOk(service.post(body, { type, headers: { accept }, path }), request);
}

async function requireOk(answering: Promise<Answer>, request: PrecisionRequest): Promise<Answer> {
  const answer = await answering;
  expect(answer.status, `${request.name}: ${JSON.stringify(answer.body)}`).toBe(200);
  return answer;
}

/** Reads a number. JSON represents NaN and infinities as text. */
function numberOf(value: unknown): number {
  return Number(value);
}

function numbersIn(record: object): Record<string, number> {
  const entries = Object.entries(record).filter(([, value]) => typeof value !== 'object');
  return Object.fromEntries(entries.map(([name, value]) => [name, numberOf(value)]));
}

function elementsIn(tensor: Tensor): ArrayLike<number> {
  const { data } = tensor as { data: unknown };
  if (Array.isArray(data)) return data.map(numberOf);
  return numbersOf({ ...tensor, data: Uint8Array.from(tensor.data) });
}
