import type { FastifyInstance } from 'fastify';
import { LossmeterError } from '../../src/errors.ts';
import { readCurve, sampleCurve } from '../../src/runs/curve.ts';
import { batchesOf } from '../../src/runs/store.ts';
import { wirePoint, wireStep } from '../../src/runs/wire.ts';
import { contentOf } from '../../src/schemas/content.ts';
import { parameterCompiler } from '../../src/schemas/parameters.ts';
import { problemResponses } from '../../src/schemas/problem.ts';
import {
  RankParams,
  RecordQuery,
  RecordReply,
  RecordRequest,
  RunParams,
  StepDetail,
  StepList,
  StepParams,
  StepsQuery,
} from '../../src/schemas/runs.ts';
import { SafetensorsBatch, SafetensorsEvaluation } from '../../src/schemas/safetensors.ts';
import { stringify } from '../../src/wire/json-reply.ts';
import { REPLY_MEDIA_TYPES, REQUEST_MEDIA_TYPES } from '../../src/wire/media-types.ts';
import { requireRun } from './runs.ts';

const tags = ['runs'];
const JSON_TYPE = 'application/json; charset=utf-8';

const recordContent = contentOf(REPLY_MEDIA_TYPES, RecordReply, SafetensorsEvaluation);
const record = {
  ...{ tags, operationId: 'recordBatch', summary: 'Evaluate a micro-batch of a step, and record it' },
  description:
    'Idempotent: the same content again changes nothing. Other content is a conflict; a trainer that resumes from a checkpoint raises `attempt`. What is answered is on the disk. With `on_non_finite: "reject"` a loss that is not finite is refused, and not recorded.',
  ...{ params: RankParams, querystring: RecordQuery },
  body: {
    description: 'The batch, or its pair.',
    content: contentOf(REQUEST_MEDIA_TYPES, RecordRequest, SafetensorsBatch),
  },
  response: {
    200: { description: 'It was recorded before.', content: recordContent },
    201: { description: 'It is recorded.', content: recordContent },
    ...problemResponses(400, 403, 406, 408, 409, 413, 415, 422, 429, 500, 503),
  },
};

const jsonOf = (description: string, schema: object) => ({
  description,
  content: { 'application/json': { schema } },
});

/** What is recorded of runs, and what their steps are. */
export default async function runSteps(app: FastifyInstance): Promise<void> {
  app.setValidatorCompiler(parameterCompiler);
  const store = app.runs;

  app.put<{
    Params: { run: string; step: number; rank: number };
    Querystring: { micro_batch: number; attempt: number };
  }>(
    '/runs/:run/steps/:step/ranks/:rank',
    { config: { scope: 'record' }, schema: record },
    async ({ params, query: { micro_batch: microBatch, attempt } }, reply) => {
      await reply.answer(async (body) => {
        const { answer, ...others } = await app.recorder.record({ ...params, microBatch, attempt }, body);
        reply.code(answer.outcome === 'created' ? 201 : 200);
        return { ...others, answer: answer.evaluation };
      });
      return reply;
    },
  );

  const list = {
    ...{ tags, operationId: 'listSteps', summary: 'The curve of a run', params: RunParams, querystring: StepsQuery },
    response: { 200: jsonOf('Steps.', StepList), ...problemResponses(400, 404) },
  };
  app.get<{
    Params: { run: string };
    Querystring: { from: number; to: number; max_points?: number; limit: number; cursor?: string };
  }>('/runs/:run/steps', { config: { scope: 'read' }, schema: list }, async ({ params: { run }, query }, reply) => {
    requireRun(run, await store.metadata(run));
    const { from, to, max_points: maxPoints, limit, cursor } = query;
    const first = cursor === undefined ? from : Math.max(from, Number(cursor));
    const pages =
      maxPoints === undefined
        ? readCurve(store, run, { from: first, to }, limit + 1)
        : sampleCurve(store, run, { from, to }, maxPoints);
    const steps = (await Array.fromAsync(pages)).flat();
    const [next] = maxPoints === undefined ? steps.splice(limit) : [];
    const answer = { steps: steps.map(wirePoint), ...(next && { next: String(next.step) }) };
    return reply.type(JSON_TYPE).send(stringify(answer));
  });

  const get = {
    ...{ tags, operationId: 'getStep', summary: 'A step with its ranks and micro-batches', params: StepParams },
    response: { 200: jsonOf('The step.', StepDetail), ...problemResponses(400, 404) },
  };
  app.get<{ Params: { run: string; step: number } }>(
    '/runs/:run/steps/:step',
    { config: { scope: 'read' }, schema: get },
    async ({ params: { run, step } }, reply) => {
      requireRun(run, await store.metadata(run));
      const [point] = await store.stepsAt(run, [step]);
      if (point === undefined) throw new LossmeterError('not_found', `run ${run} has no step ${step}`);
      const batches = await Array.fromAsync(batchesOf(store, run, { from: step, to: step }));
      return reply.type(JSON_TYPE).send(stringify(wireStep(run, point, batches, (await store.ranksOf(run)) ?? 0)));
    },
  );
}
