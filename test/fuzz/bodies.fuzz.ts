import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WatchedService } from '../complexity/watched-service.ts';
import { residentMemory } from '../complexity/resident-memory.ts';
import { Client } from '../http-client.ts';
import type { HttpRequest } from '../http-client.ts';
import { faultOf } from './answers.ts';
import { BODIES, RUN, WITHIN_MS } from './budget.ts';
import { readCorpus, requestOf } from './corpus.ts';
import type { Seed } from './corpus.ts';
import { mutantsOf } from './mutants.ts';
import { saveRequest } from './reproduction.ts';

/** Number of requests that are sent at the same time. */
const AT_A_TIME = 8;

/** Megabytes that may be resident in addition to the bytes in flight. */
const MEMORY_BESIDE = 300;

let service: WatchedService;
let client: Client;
let corpus: Seed[];
let tried = 0;

beforeAll(async () => {
  service = await WatchedService.start();
  client = new Client(service.port);
  corpus = await readCorpus(client);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await service[Symbol.asyncDispose]();
});

test('the corpus is valid', async () => {
  for (const seed of corpus) {
    for (const writer of seed.writers.keys()) {
      const { status, body } = await client.send(requestOf(seed, writer));
      expect([200, 201], `${seed.path}, writer ${writer}: ${body.toString('utf8', 0, 500)}`).toContain(status);
    }
  }
});

test(`${BODIES} mutated bodies are answered or refused`, { timeout: WITHIN_MS }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(mutantsOf(corpus), { minLength: AT_A_TIME, maxLength: AT_A_TIME }), async (requests) => {
      const faults = await Promise.all(requests.map(findFault));
      expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
    }),
    { ...RUN, numRuns: Math.ceil(BODIES / AT_A_TIME) },
  );
  console.log(`${tried} bodies were tried`);
});

async function findFault(request: HttpRequest): Promise<string | undefined> {
  tried++;
  const fault = await client.send(request).then(
    (answer) => faultOf(request, answer),
    (error: Error) => `${error.message}; the service ${service.ended ?? 'runs'}`,
  );
  return fault === undefined ? undefined : `${fault}; ${saveRequest(request)} has the request`;
}

test('the service runs on, and its memory is bounded', () => {
  expect(service.ended).toBeUndefined();
  expect(residentMemory(service.pid).peak).toBeLessThan(2 ** 30 / 1e6 + MEMORY_BESIDE);
});
