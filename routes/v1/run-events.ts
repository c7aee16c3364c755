import type { FastifyInstance } from 'fastify';
import { problemResponses } from '../../src/contract/problem.ts';
import { EventsQuery, RunParams } from '../../src/contract/runs.ts';
import { requireRun } from './runs.ts';

/** Milliseconds for a client to read the last events at shutdown. */
const CLOSE_MS = 1000;

const schema = {
  tags: ['runs'],
  operationId: 'watchRun',
  summary: 'Watch the changes of a run',
  description:
    'Server-sent events. `step`: a step changed. The data is an element of `steps` of `/v1/runs/{run}/steps`. After a step of a higher attempt, drop the later steps of lower attempts. `run`: the metadata changed. The data is the summary of the run. `deleted`: the run was deleted or renamed, or a new run has this name. To resume, send `Last-Event-ID`: the steps that changed since then come first, each in its newest state.',
  params: RunParams,
  querystring: EventsQuery,
  response: {
    200: {
      description: 'An endless stream of events.',
      content: { 'text/event-stream': { schema: { type: 'string' } } },
    },
    ...problemResponses(400, 404, 429, 503),
  },
};

export default async function events(app: FastifyInstance): Promise<void> {
  app.get<{ Params: { run: string }; Querystring: { last_event_id?: string } }>(
    '/runs/:run/events',
    { config: { scope: 'read' }, schema, preHandler: app.streamsEvents },
    async (request, reply) => {
      const { run } = request.params;
      requireRun(run, await app.runs.metadata(run));
      // The header takes precedence: a browser that reconnects sends it to the same address.
      const last = request.headers['last-event-id'] ?? request.query.last_event_id;
      const newest = await app.runs.sequence();
      const seen = typeof last === 'string' && /^\d{1,16}$/.test(last) ? Number(last) : newest;
      // A sequence number from the future belongs to a lost history, so the stream starts at the beginning of this one.
      const after = seen > newest ? 0 : seen;
      const left = new AbortController();
      reply.raw.once('close', () => left.abort());
      const signal = AbortSignal.any([left.signal, app.closing]);
      // A client that does not read must not prevent the shutdown.
      app.closing.addEventListener('abort', () => setTimeout(() => reply.raw.destroy(), CLOSE_MS).unref(), left);
      reply.headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
      return reply.sendEvents(app.runEvents.follow(run, after, signal));
    },
  );
}
