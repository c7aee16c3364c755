import type { FastifyInstance } from 'fastify';
import { JobParams } from '../../src/contract/jobs.ts';
import { problemResponses } from '../../src/contract/problem.ts';
import { EventsQuery } from '../../src/contract/runs.ts';
import { isActive } from '../../src/jobs/job.ts';

/** Milliseconds for a client to read the last events at shutdown. */
const CLOSE_MS = 1000;

const schema = {
  tags: ['jobs'],
  operationId: 'watchJob',
  summary: 'Watch the progress of a job',
  description:
    'Server-sent events. `job`: the job changed. The data has the form of the answer of `/v1/jobs/{id}`, without `failures`. `deleted`: the job was deleted. The stream ends when the job ends. To resume, send `Last-Event-ID`. If the job has ended and the client has received the last event, the answer is 204. Browsers do not reconnect after 204.',
  params: JobParams,
  querystring: EventsQuery,
  response: {
    200: {
      description: 'Events until the end of the job.',
      content: { 'text/event-stream': { schema: { type: 'string' } } },
    },
    204: { description: 'The job has ended, and no event follows.', type: 'null' },
    ...problemResponses(400, 403, 404, 429, 503),
  },
};

export default async function events(app: FastifyInstance): Promise<void> {
  app.get<{ Params: { id: number }; Querystring: { last_event_id?: string } }>(
    '/jobs/:id/events',
    { config: { scope: 'read' }, schema, preHandler: app.streamsEvents },
    async (request, reply) => {
      const { service, events: jobEvents } = app.jobs();
      const job = await service.require(request.params.id);
      // The header takes precedence: a browser that reconnects sends it to the same address.
      const last = request.headers['last-event-id'] ?? request.query.last_event_id;
      const seen = typeof last === 'string' && /^\d{1,16}$/.test(last) ? Number(last) : undefined;
      if (!isActive(job.state) && seen === job.revision) return reply.code(204).send();
      const left = new AbortController();
      reply.raw.once('close', () => left.abort());
      const signal = AbortSignal.any([left.signal, app.closing]);
      // A client that does not read must not prevent the shutdown.
      app.closing.addEventListener('abort', () => setTimeout(() => reply.raw.destroy(), CLOSE_MS).unref(), left);
      reply.headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
      return reply.sendEvents(jobEvents.follow(job.id, seen, signal));
    },
  );
}
