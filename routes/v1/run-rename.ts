import type { FastifyInstance } from 'fastify';
import { problemResponses } from '../../src/contract/problem.ts';
import { RunRename } from '../../src/contract/run-metadata.ts';
import { RunParams, RunSummary } from '../../src/contract/runs.ts';
import { LossmeterError } from '../../src/errors.ts';
import { awaitNoMore, requestBody } from '../../src/plugins/app/answers.ts';
import { bodyCodec } from '../../src/plugins/app/negotiation.ts';
import { readRename } from '../../src/runs/metadata.ts';
import { wireSummary } from '../../src/runs/wire.ts';
import { stringify } from '../../src/wire/json-text/stringify.ts';
import { noRun, requireRun } from './runs.ts';

const schema = {
  tags: ['runs'],
  operationId: 'renameRun',
  summary: 'Give a run another name',
  params: RunParams,
  description:
    'All recordings are kept. Event streams of the old name end with `deleted`. A trainer that continues to record under the old name creates a new run: rename a run after its end.',
  body: {
    description: 'The new name.',
    content: { 'application/json': { schema: RunRename } },
  },
  response: {
    200: {
      description: 'The run.',
      content: { 'application/json': { schema: RunSummary } },
    },
    ...problemResponses(400, 404, 408, 409, 413, 415, 422, 429, 503),
  },
};

/** Route that renames a run. */
export default async function runRename(app: FastifyInstance): Promise<void> {
  app.post<{ Params: { run: string } }>(
    '/runs/:run/rename',
    { config: { scope: 'record' }, schema },
    async (request, reply) => {
      const { run } = request.params;
      const name = await app.evaluator.readValue(requestBody(request, bodyCodec(request)), readRename);
      awaitNoMore(reply);
      const outcome = await app.runChanges.about(run, () => app.runs.rename(run, name));
      if (outcome === 'unknown') throw noRun(run);
      if (outcome === 'taken') throw new LossmeterError('name_taken', `there is another run ${name}`);
      for (const changed of [run, name]) app.runChanges.notify(changed);
      const summary = requireRun(name, await app.runs.run(name));
      return reply.type('application/json; charset=utf-8').send(stringify(wireSummary(summary)));
    },
  );
}
