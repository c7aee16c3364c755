import type { FastifyInstance } from 'fastify';
import { historyResponses } from '../../src/contract/history-responses.ts';
import { RunParams } from '../../src/contract/runs.ts';
import { AttemptList, ScalarCurve, ScalarList, ScalarParams, ScalarQuery } from '../../src/contract/scalars.ts';
import { LossmeterError } from '../../src/errors.ts';
import { wireAttempts } from '../../src/runs/wire.ts';
import { stringify } from '../../src/wire/json-text/stringify.ts';
import { requireRun } from './runs.ts';

const tags = ['runs'];
const JSON_TYPE = 'application/json; charset=utf-8';

/** Routes for scalars and attempts of runs. */
export default async function runScalars(app: FastifyInstance): Promise<void> {
  const store = app.runs;

  const list = {
    tags,
    operationId: 'listScalars',
    summary: 'The scalars of a run',
    params: RunParams,
    response: historyResponses('The scalars.', ScalarList),
  };
  app.get<{ Params: { run: string } }>(
    '/runs/:run/scalars',
    { config: { scope: 'read' }, schema: list, preHandler: app.readsHistory },
    async ({ params: { run } }, reply) => {
      const { text } = requireRun(run, await app.runPages.scalarsJson(run));
      return reply.sendPages(JSON_TYPE, [text]);
    },
  );

  const curve = {
    tags,
    operationId: 'getScalar',
    summary: 'A scalar of a run over its steps',
    params: ScalarParams,
    querystring: ScalarQuery,
    response: historyResponses('Points of the scalar.', ScalarCurve),
  };
  app.get<{
    Params: { run: string; name: string };
    Querystring: {
      from: number;
      to: number;
      max_points?: number;
      limit: number;
      cursor?: string;
      attempt?: number;
    };
  }>(
    '/runs/:run/scalars/:name',
    { config: { scope: 'read' }, schema: curve, preHandler: app.readsHistory },
    async ({ params: { run, name }, query: { from, to, max_points: maxPoints, limit, cursor, attempt } }, reply) => {
      requireRun(run, await store.metadata(run));
      const first = cursor === undefined ? from : Math.max(from, Number(cursor));
      const page = await app.runPages.scalarJson(run, name, { from: first, to, attempt, maxPoints, limit });
      if (page === undefined) throw new LossmeterError('not_found', `run ${run} has no scalar ${name}`);
      return reply.sendPages(JSON_TYPE, [page.text]);
    },
  );

  const attempts = {
    tags,
    operationId: 'listAttempts',
    summary: 'The attempts of a run',
    params: RunParams,
    description:
      'An attempt is in effect from its first step up to the first step of a later attempt. Superseded steps can still be read with the parameter `attempt`.',
    response: historyResponses('The attempts.', AttemptList),
  };
  app.get<{ Params: { run: string } }>(
    '/runs/:run/attempts',
    { config: { scope: 'read' }, schema: attempts, preHandler: app.readsHistory },
    async ({ params: { run } }, reply) => {
      const found = requireRun(run, await store.attempts(run));
      return reply.sendPages(JSON_TYPE, [stringify(wireAttempts(found))]);
    },
  );
}
