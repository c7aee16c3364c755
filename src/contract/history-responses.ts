import { problemResponses } from './problem.ts';

/** Responses of operations that read a part of a run as JSON. */
export const historyResponses = (description: string, schema: object) => ({
  200: { description, content: { 'application/json': { schema } } },
  ...problemResponses(400, 404, 429, 503),
});
