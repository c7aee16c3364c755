import type { FastifyInstance } from 'fastify';
import { bytesBody } from '../../src/contract/content.ts';
import { BulkItem, BulkItems, BulkResults, MOST_BULK_BYTES, MOST_ITEMS } from '../../src/contract/bulk.ts';
import type { BulkResult } from '../../src/contract/bulk.ts';
import { problemResponses } from '../../src/contract/problem.ts';
import { RunParams } from '../../src/contract/runs.ts';
import { LossmeterError } from '../../src/errors.ts';
import { awaitNoMore, requestBody } from '../../src/plugins/app/answers.ts';
import { bulkCodec } from '../../src/plugins/app/negotiation.ts';
import { creatorOf } from '../../src/plugins/app/runs.ts';
import { readItems } from '../../src/runs/bulk.ts';
import { BULK_MEDIA_TYPES } from '../../src/wire/media-types.ts';

const record = {
  tags: ['runs'],
  operationId: 'recordBatches',
  summary: 'Record many pairs and scalars',
  params: RunParams,
  description: `Up to ${MOST_ITEMS} items in one request of at most ${MOST_BULK_BYTES / 2 ** 10} KiB. Each item is recorded like a separate, idempotent request, and has its own result; results are in the order of the items. The answer is sent when all recorded items are on disk. A body that cannot be parsed is rejected as a whole.`,
  body: {
    description: 'The items: a line each, or an array.',
    content: Object.fromEntries(BULK_MEDIA_TYPES.map((type) => [type, { schema: bodyOf(type) }])),
  },
  response: {
    200: {
      description: 'The results.',
      content: { 'application/json': { schema: BulkResults } },
    },
    ...problemResponses(400, 403, 408, 413, 415, 429, 503),
  },
};

/** Schema of a body. The schema of a body of lines is the schema of one line. */
function bodyOf(mediaType: string): object {
  if (mediaType === 'application/json') return BulkItems;
  if (mediaType.includes('json')) return BulkItem;
  return bytesBody('MessagePackItems', 'The array of items in MessagePack.');
}

/** Route for many recordings of a run. */
export default async function runBatches(app: FastifyInstance): Promise<void> {
  app.post<{ Params: { run: string } }>(
    '/runs/:run/batches',
    { config: { scope: 'record' }, schema: record },
    async (request, reply) => {
      const { run } = request.params;
      const body = requestBody(request, bulkCodec(request));
      const items = await app.evaluator.readValue(body, (given) => readItems(run, given), MOST_BULK_BYTES);
      awaitNoMore(reply);
      const outcomes = await app.recorder.recordMany(run, items, creatorOf(request));
      return { results: outcomes.map(resultOf) };
    },
  );
}

function resultOf(outcome: 'created' | 'repeated' | LossmeterError): BulkResult {
  if (outcome instanceof LossmeterError) {
    const { status, code, message } = outcome;
    return { status: status as BulkResult['status'], code, detail: message };
  }
  return { status: outcome === 'created' ? 201 : 200 };
}
