import type { FastifyInstance } from 'fastify';
import { historyResponses } from '../../src/contract/history-responses.ts';
import { ComparisonQuery, RerunList, RerunsQuery, RunComparison } from '../../src/contract/reruns.ts';
import { RunParams, StepParams } from '../../src/contract/runs.ts';
import { requireRun } from './runs.ts';

const tags = ['runs'];
const JSON_TYPE = 'application/json; charset=utf-8';

/** Routes for repeated batches, and for the comparison of two runs. */
export default async function runReruns(app: FastifyInstance): Promise<void> {
  const reruns = {
    tags,
    operationId: 'listReruns',
    summary: 'Micro-batches of a step that were computed again',
    description:
      'Micro-batches that were recorded in several attempts, with a verdict from their results and devices: the verdict of the rerun state machine of Megatron.',
    params: StepParams,
    querystring: RerunsQuery,
    response: historyResponses('The micro-batches.', RerunList),
  };
  app.get<{
    Params: { run: string; step: number };
    Querystring: { limit: number; cursor?: string; tolerance?: string };
  }>(
    '/runs/:run/steps/:step/reruns',
    { config: { scope: 'read' }, schema: reruns, preHandler: app.readsHistory },
    async ({ params: { run, step }, query: { limit, cursor = '0.0', tolerance = '0' } }, reply) => {
      const [rank, microBatch] = cursor.split('.').map(Number) as [number, number];
      const asked = { limit, tolerance: Number(tolerance) };
      const page = await app.runPages.rerunsJson(run, { step, rank, microBatch }, asked);
      return reply.sendPages(JSON_TYPE, [requireRun(run, page).text]);
    },
  );

  const comparison = {
    tags,
    operationId: 'compareRuns',
    summary: 'The first difference of two runs',
    description:
      'Compares the micro-batches of two runs in the order of step, rank and micro-batch, by the bits of their rows. If one of two micro-batches is a pair, only numerators and denominators are compared. A request reads about 40,000 micro-batches of both runs together; `next` continues the comparison.',
    params: RunParams,
    querystring: ComparisonQuery,
    response: historyResponses(
      'The first difference, or the number of micro-batches that are the same.',
      RunComparison,
    ),
  };
  app.get<{ Params: { run: string }; Querystring: { with: string; cursor?: string } }>(
    '/runs/:run/comparison',
    { config: { scope: 'read' }, schema: comparison, preHandler: app.readsHistory },
    async ({ params: { run }, query: { with: other, cursor = '0.0.0' } }, reply) => {
      requireRun(run, await app.runs.metadata(run));
      requireRun(other, await app.runs.metadata(other));
      const [step, rank, microBatch] = cursor.split('.').map(Number) as [number, number, number];
      const page = await app.runPages.comparisonJson(run, other, { step, rank, microBatch });
      return reply.sendPages(JSON_TYPE, [requireRun(run, page).text]);
    },
  );
}
