import type { FastifyInstance } from 'fastify';
import { LossmeterError } from '../../src/errors.ts';
import { curveJson, stepListJson } from '../../src/runs/answers.ts';
import { answerContent, requestContent } from '../../src/contract/content.ts';
import { historyResponses } from '../../src/contract/history-responses.ts';
import { problemResponses } from '../../src/contract/problem.ts';
import {
  MOST_ATTEMPT_STEPS,
  RankParams,
  RecordQuery,
  Recording,
  RecordRequest,
  RunParams,
  StepDetail,
  StepList,
  StepParams,
  StepQuery,
  StepsQuery,
} from '../../src/contract/runs.ts';
import { creatorOf } from '../../src/plugins/app/runs.ts';
import { SafetensorsBatch, SafetensorsEvaluation } from '../../src/contract/safetensors.ts';
import { REPLY_MEDIA_TYPES, REQUEST_MEDIA_TYPES } from '../../src/wire/media-types.ts';
import { requireRun } from './runs.ts';

const tags = ['runs'];
const JSON_TYPE = 'application/json; charset=utf-8';

const recordContent = answerContent(REPLY_MEDIA_TYPES, Recording, { safetensors: SafetensorsEvaluation });
const record = {
  tags,
  operationId: 'recordBatch',
  summary: 'Evaluate a micro-batch of a step, and record it',
  description:
    'Idempotent: repeating the same content changes nothing. Different content is a conflict. A trainer that resumes from a checkpoint increments `attempt`. From its first step on, a new attempt supersedes all steps of lower attempts. The answer is sent when the batch is on disk. With `on_non_finite: "reject"` a non-finite loss is rejected, and not recorded.',
  params: RankParams,
  querystring: RecordQuery,
  body: {
    description: 'The batch, or its pair.',
    content: requestContent(REQUEST_MEDIA_TYPES, RecordRequest, { safetensors: SafetensorsBatch }),
  },
  response: {
    200: {
      description: 'The same content was already recorded.',
      content: recordContent,
    },
    201: {
      description: 'The micro-batch is recorded.',
      content: recordContent,
    },
    ...problemResponses(400, 403, 406, 408, 409, 413, 415, 422, 429, 500, 503),
  },
};

/** Routes for recordings and steps of runs. */
export default async function runSteps(app: FastifyInstance): Promise<void> {
  const store = app.runs;

  app.put<{
    Params: { run: string; step: number; rank: number };
    Querystring: { micro_batch: number; attempt: number };
  }>('/runs/:run/steps/:step/ranks/:rank', { config: { scope: 'record' }, schema: record }, async (request, reply) => {
    const { params, query } = request;
    const { micro_batch: microBatch, attempt } = query;
    await reply.answer(async (body) => {
      const { answer, ...others } = await app.recorder.record(
        { ...params, microBatch, attempt },
        body,
        creatorOf(request),
      );
      reply.code(answer.outcome === 'created' ? 201 : 200);
      return { ...others, answer: answer.evaluation };
    });
    return reply;
  });

  const list = {
    tags,
    operationId: 'listSteps',
    summary: 'The curve of a run',
    params: RunParams,
    querystring: StepsQuery,
    response: historyResponses('Steps.', StepList),
  };
  app.get<{
    Params: { run: string };
    Querystring: {
      from: number;
      to: number;
      max_points?: number;
      limit: number;
      cursor?: string;
      attempt?: number;
    };
  }>(
    '/runs/:run/steps',
    { config: { scope: 'read' }, schema: list, preHandler: app.readsHistory },
    async ({ params: { run }, query }, reply) => {
      requireRun(run, await store.metadata(run));
      const { from, to, max_points: maxPoints, limit, cursor, attempt } = query;
      const first = cursor === undefined ? from : Math.max(from, Number(cursor));
      if (attempt !== undefined) {
        const most = (count: number): number => Math.min(count, MOST_ATTEMPT_STEPS);
        const asked = { from: first, to, attempt, limit: most(limit), maxPoints: maxPoints && most(maxPoints) };
        const { text } = requireRun(run, await app.runPages.attemptStepsJson(run, asked));
        return reply.sendPages(JSON_TYPE, [text]);
      }
      const pages =
        maxPoints === undefined
          ? stepListJson(app.runPages, run, { from: first, to }, limit)
          : curveJson({ store, pages: app.runPages }, run, { from, to }, maxPoints);
      return reply.sendPages(JSON_TYPE, pages);
    },
  );

  const get = {
    tags,
    operationId: 'getStep',
    summary: 'A step with its ranks and micro-batches',
    description:
      'Micro-batches come in pages, in the order of rank and number; `next` is the cursor of the page that follows. The totals of the step, and of each rank, include all micro-batches.',
    params: StepParams,
    querystring: StepQuery,
    response: historyResponses('The step.', StepDetail),
  };
  app.get<{ Params: { run: string; step: number }; Querystring: { limit: number; cursor?: string } }>(
    '/runs/:run/steps/:step',
    { config: { scope: 'read' }, schema: get, preHandler: app.readsHistory },
    async ({ params: { run, step }, query: { limit, cursor = '0.0' } }, reply) => {
      requireRun(run, await store.metadata(run));
      const [rank, microBatch] = cursor.split('.').map(Number) as [number, number];
      const page = await app.runPages.stepJson(run, { step, rank, microBatch }, limit);
      if (page === undefined) throw new LossmeterError('not_found', `run ${run} has no step ${step}`);
      return reply.sendPages(JSON_TYPE, [page.text]);
    },
  );
}
