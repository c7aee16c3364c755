import type { FastifyInstance } from 'fastify';
import { LossmeterError } from '../../src/errors.ts';
import { awaitNoMore, requestBody } from '../../src/plugins/app/answers.ts';
import { bodyCodec } from '../../src/plugins/app/negotiation.ts';
import { creatorOf } from '../../src/plugins/app/runs.ts';
import { exportLines, runListJson } from '../../src/runs/answers.ts';
import { RunMetadata } from '../../src/contract/run-metadata.ts';
import { attachmentOf } from '../../src/runs/file-name.ts';
import { readMetadata } from '../../src/runs/metadata.ts';
import { readCursor } from '../../src/runs/run-query.ts';
import type { RunQuery } from '../../src/runs/run-query.ts';
import { wireSummary } from '../../src/runs/wire.ts';
import { problemResponses } from '../../src/contract/problem.ts';
import { ExportQuery, RunList, RunParams, RunSummary as Summary, RunsQuery } from '../../src/contract/runs.ts';
import { stringify } from '../../src/wire/json-text/stringify.ts';

const tags = ['runs'];
const JSON_TYPE = 'application/json; charset=utf-8';

interface ListQuery extends Pick<RunQuery, 'sort' | 'state' | 'archived'> {
  search?: string;
  label?: string[];
  tag?: string[];
  limit: number;
  cursor?: string;
}

/** Routes for runs as a whole. */
export default async function runs(app: FastifyInstance): Promise<void> {
  const store = app.runs;

  const list = {
    tags,
    operationId: 'listRuns',
    summary: 'The runs, in pages',
    description:
      'Other clients may record, create and delete runs while you read the pages. A run that matches during the whole time is on exactly one page. A run that is created, or begins to match, during this time is on a later page or on no page. There are two exceptions. With `sort=updated`, a recording moves its run to the front of the list, so a run whose page was not yet read may be on no page. With `sort=name`, a renamed run may be on two pages or on no page.',
    querystring: RunsQuery,
    response: {
      200: {
        description: 'A page of runs.',
        content: { 'application/json': { schema: RunList } },
      },
      ...problemResponses(400, 429, 503),
    },
  };
  app.get<{ Querystring: ListQuery }>(
    '/runs',
    { config: { scope: 'read' }, schema: list, preHandler: app.readsHistory },
    async ({ query: { search = '', limit, cursor, label: labels, tag: tags, ...others } }, reply) => {
      const query: RunQuery = { search, labels, tags, ...others };
      const after = cursor === undefined ? undefined : readCursor(query, cursor);
      return reply.sendPages(JSON_TYPE, runListJson(app.runPages, query, limit, after));
    },
  );

  const summaryResponse = { description: 'The run.', content: { 'application/json': { schema: Summary } } };
  const get = {
    tags,
    operationId: 'getRun',
    summary: 'Get the summary of a run',
    params: RunParams,
    response: {
      200: summaryResponse,
      ...problemResponses(400, 404, 429, 503),
    },
  };
  app.get<{ Params: { run: string } }>(
    '/runs/:run',
    { config: { scope: 'read' }, schema: get, preHandler: app.readsHistory },
    async (request, reply) => {
      const summary = requireRun(request.params.run, await store.run(request.params.run));
      return reply.sendPages(JSON_TYPE, [stringify(wireSummary(summary))]);
    },
  );

  const describe = {
    tags,
    operationId: 'describeRun',
    summary: 'Set the metadata of a run',
    params: RunParams,
    description: 'Creates the run if it does not exist. The first recording of a run also creates it.',
    body: {
      description: 'The metadata.',
      content: { 'application/json': { schema: RunMetadata } },
    },
    response: {
      200: summaryResponse,
      201: summaryResponse,
      ...problemResponses(400, 403, 408, 413, 415, 422, 429, 503),
    },
  };
  app.put<{ Params: { run: string } }>(
    '/runs/:run',
    { config: { scope: 'record' }, schema: describe },
    async (request, reply) => {
      const { run } = request.params;
      const body = requestBody(request, bodyCodec(request));
      const metadata = await app.evaluator.readValue(body, readMetadata);
      awaitNoMore(reply);
      const made = await app.runChanges.about(run, () => store.describe(run, metadata, creatorOf(request)));
      app.runChanges.notify(run);
      const summary = requireRun(run, await store.run(run));
      return reply
        .code(made ? 201 : 200)
        .type(JSON_TYPE)
        .send(stringify(wireSummary(summary)));
    },
  );

  const remove = {
    tags,
    operationId: 'deleteRun',
    summary: 'Delete a run and its history',
    params: RunParams,
    response: {
      204: {
        description: 'The run is deleted.',
        type: 'null',
      },
      ...problemResponses(400, 404, 503),
    },
  };
  app.delete<{ Params: { run: string } }>(
    '/runs/:run',
    { config: { scope: 'record' }, schema: remove },
    async (request, reply) => {
      const { run } = request.params;
      if (!(await app.runChanges.about(run, () => store.remove(run)))) throw noRun(run);
      app.runChanges.notify(run);
      return reply.code(204).send();
    },
  );

  const download = {
    tags,
    operationId: 'exportRun',
    summary: 'Download a run',
    params: RunParams,
    querystring: ExportQuery,
    response: {
      200: {
        description: 'The steps, the micro-batches or the numbers, one per line.',
        content: {
          'text/csv': { schema: { type: 'string' } },
          'application/jsonl': { schema: { type: 'string' } },
        },
      },
      ...problemResponses(400, 404, 429, 503),
    },
  };
  app.get<{ Params: { run: string }; Querystring: { format: 'csv' | 'jsonl'; of: 'steps' | 'batches' | 'scalars' } }>(
    '/runs/:run/export',
    { config: { scope: 'read' }, schema: download, preHandler: app.readsHistory },
    async ({ params: { run }, query: { format, of } }, reply) => {
      requireRun(run, await store.metadata(run));
      reply.header('content-disposition', attachmentOf(run, `-${of}.${format}`));
      const mediaType = format === 'csv' ? 'text/csv; charset=utf-8' : 'application/jsonl; charset=utf-8';
      return reply.sendPages(mediaType, exportLines(app.runPages, run, of, format));
    },
  );
}

/**
 * Returns a value read from a run, or rejects for an unknown run. `metadata` is the cheapest read.
 * @throws LossmeterError not_found
 */
export function requireRun<T>(name: string, run: T | undefined): T {
  if (run === undefined) throw noRun(name);
  return run;
}

export function noRun(name: string): LossmeterError {
  return new LossmeterError('not_found', `there is no run ${name}`);
}
