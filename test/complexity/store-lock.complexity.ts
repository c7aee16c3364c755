/** Recordings of trainers while another process holds the write lock of the store. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { Client } from '../http-client.ts';
import { WRITERS } from '../request-bodies.ts';
import { probeFaults } from './budget.ts';
import { httpRequest } from './cases/case.ts';
import { recordSteps } from './cases/recordings.ts';
import { Liveness } from './liveness.ts';
import { WatchedService } from './watched-service.ts';

const RECORDINGS = 20;

test('/livez answers while recordings wait for a foreign write lock', { timeout: 60_000 }, async () => {
  await using service = await WatchedService.start();
  await using liveness = new Liveness();
  using client = new Client(service.port);
  await recordSteps(client, 'locked', { steps: 1 });
  liveness.watch(service);

  const other = new DatabaseSync(join(service.folder, 'history.db'));
  other.exec('BEGIN IMMEDIATE');
  const record = (step: number) =>
    client.send(
      httpRequest('PUT /v1/runs/{run}/steps/{step}/ranks/{rank}', {
        params: { run: 'locked', step, rank: 0 },
        body: WRITERS.json({ numerator: 1, denominator: 1 }),
      }),
    );
  const answers = await Promise.all(Array.from({ length: RECORDINGS }, (_, k) => record(k + 1)));
  expect(answers.every(({ status }) => status === 201 || status === 503)).toBe(true);
  expect(probeFaults(await liveness.take()).join()).toBe('');

  other.exec('ROLLBACK');
  other.close();
  expect((await record(RECORDINGS + 1)).status).toBe(201);
});
