import type { FastifyInstance, FastifyReply } from 'fastify';
import { Job, JobList, JobParams, JobRequest, JobResult, JobsQuery, MOST_FAILURES } from '../../src/contract/jobs.ts';
import { problemResponses } from '../../src/contract/problem.ts';
import type { JobState } from '../../src/jobs/job.ts';
import { readJobRequest } from '../../src/jobs/read-order.ts';
import { resultJson } from '../../src/jobs/result-json.ts';
import { wireJob } from '../../src/jobs/wire.ts';
import { awaitNoMore, requestBody } from '../../src/plugins/app/answers.ts';
import { bodyCodec } from '../../src/plugins/app/negotiation.ts';
import { stringify } from '../../src/wire/json-text/stringify.ts';

const tags = ['jobs'];
const JSON_TYPE = 'application/json; charset=utf-8';

const json = (description: string, schema: object) => ({ description, content: { 'application/json': { schema } } });

const sendJson = (reply: FastifyReply, value: object): FastifyReply => reply.type(JSON_TYPE).send(stringify(value));

interface OfJob {
  Params: { id: number };
}

/** Routes for jobs. */
export default async function jobs(app: FastifyInstance): Promise<void> {
  const create = {
    tags,
    operationId: 'createJob',
    summary: 'Evaluate files of the data directory or of object storage as a job',
    description:
      'The names in `files` are resolved before the answer is sent. The files are evaluated later. Without PostgreSQL, the service itself evaluates one file after another. With PostgreSQL, the processes of `lossmeter worker` evaluate them. The result is bit-identical to that of `lossmeter evaluate` or `lossmeter compare` in one process with the same kernel.',
    body: json('The job.', JobRequest),
    response: {
      202: json('The job was created.', Job),
      ...problemResponses(400, 403, 408, 409, 413, 415, 422, 429, 503),
    },
  };
  app.post('/jobs', { config: { scope: 'evaluate' }, schema: create }, async (request, reply) => {
    const { service, metrics } = app.jobs();
    const body = requestBody(request, bodyCodec(request));
    const order = await app.evaluator.readValue(body, readJobRequest);
    awaitNoMore(reply);
    const job = await service.create(order);
    metrics?.created();
    reply.code(202).header('location', `/v1/jobs/${job.id}`);
    return sendJson(reply, wireJob(job));
  });

  const list = {
    tags,
    operationId: 'listJobs',
    summary: 'The jobs, in pages',
    querystring: JobsQuery,
    response: {
      200: json('A page of jobs.', JobList),
      ...problemResponses(400, 403, 429, 503),
    },
  };
  app.get<{ Querystring: { state?: JobState; limit: number; cursor?: string } }>(
    '/jobs',
    { config: { scope: 'read' }, schema: list, preHandler: app.readsHistory },
    async ({ query: { state, limit, cursor } }, reply) => {
      const { store } = app.jobs().service;
      const page = await store.jobs(state, limit, cursor === undefined ? undefined : Number(cursor));
      const next = page.next === undefined ? {} : { next: String(page.next) };
      return sendJson(reply, { jobs: page.jobs.map((job) => wireJob(job)), ...next });
    },
  );

  const get = {
    tags,
    operationId: 'getJob',
    summary: 'Get a job and its progress',
    params: JobParams,
    response: {
      200: json('The job.', Job),
      ...problemResponses(400, 403, 404, 429, 503),
    },
  };
  app.get<OfJob>(
    '/jobs/:id',
    { config: { scope: 'read' }, schema: get, preHandler: app.readsHistory },
    async ({ params: { id } }, reply) => {
      const { service } = app.jobs();
      const job = await service.require(id);
      return sendJson(reply, wireJob(job, job.failed === 0 ? [] : await service.store.failures(id, MOST_FAILURES)));
    },
  );

  const result = {
    tags,
    operationId: 'getJobResult',
    summary: 'Get the result of a job',
    params: JobParams,
    description: 'The total and the result of each file, once the job has succeeded.',
    response: {
      200: json('The result.', JobResult),
      ...problemResponses(400, 403, 404, 409, 429, 503),
    },
  };
  app.get<OfJob>(
    '/jobs/:id/result',
    { config: { scope: 'read' }, schema: result, preHandler: app.readsHistory },
    async ({ params: { id } }, reply) => {
      const { service } = app.jobs();
      const { job, total } = await service.requireTotal(id);
      return reply.sendPages(JSON_TYPE, resultJson(service.store, job, total));
    },
  );

  const cancel = {
    tags,
    operationId: 'cancelJob',
    summary: 'Cancel a job',
    params: JobParams,
    description: 'Stops the tasks of a job that has not ended, and deletes the results of its files.',
    response: {
      200: json('The job.', Job),
      ...problemResponses(400, 403, 404, 409, 503),
    },
  };
  app.post<OfJob>('/jobs/:id/cancel', { config: { scope: 'evaluate' }, schema: cancel }, async (request, reply) =>
    sendJson(reply, wireJob(await app.jobs().service.cancel(request.params.id))),
  );

  const retry = {
    tags,
    operationId: 'retryJob',
    summary: 'Retry a job',
    params: JobParams,
    description:
      'Evaluates the failed files of a failed job again, or all files of a cancelled job. If no file failed, only combines the results again.',
    response: {
      202: json('The job is queued again.', Job),
      ...problemResponses(400, 403, 404, 409, 503),
    },
  };
  app.post<OfJob>('/jobs/:id/retry', { config: { scope: 'evaluate' }, schema: retry }, async (request, reply) =>
    sendJson(reply.code(202), wireJob(await app.jobs().service.retry(request.params.id))),
  );

  const remove = {
    tags,
    operationId: 'deleteJob',
    summary: 'Delete a job and its result',
    params: JobParams,
    description: 'Running tasks of the job are stopped.',
    response: {
      204: {
        description: 'The job is deleted.',
        type: 'null',
      },
      ...problemResponses(400, 403, 404, 503),
    },
  };
  app.delete<OfJob>('/jobs/:id', { config: { scope: 'evaluate' }, schema: remove }, async (request, reply) => {
    await app.jobs().service.remove(request.params.id);
    return reply.code(204).send();
  });
}
