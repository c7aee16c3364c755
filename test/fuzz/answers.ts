import { ERRORS } from '../../src/errors.ts';
import type { HttpAnswer, HttpRequest } from '../http-client.ts';

/** Message about an answer that no request may get; undefined for an allowed answer. */
export function faultOf(
  { path }: Pick<HttpRequest, 'path'>,
  { status, mediaType, body }: HttpAnswer,
): string | undefined {
  if (status < 400) return undefined;
  const expected = path.startsWith('/v2') ? 'application/json' : 'application/problem+json';
  if (mediaType !== expected) return `${status} as ${mediaType}, expected ${expected}`;
  const { code } = JSON.parse(body.toString()) as { code: string };
  if (!Object.hasOwn(ERRORS, code)) return `${status} with the code ${code}, which is not documented`;
  if (ERRORS[code as keyof typeof ERRORS].status !== status) return `${status} with the code ${code}`;
  // The Open Inference Protocol defines calls that the service does not implement (501).
  if (status >= 500 && code !== 'not_implemented') return `${status} ${code}: ${body.toString('utf8', 0, 300)}`;
  return undefined;
}
