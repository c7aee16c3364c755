import type { FastifyRequest } from 'fastify';
import { LossmeterError } from '../../errors.ts';
import { REPLY_MEDIA_TYPES, requireBulkCodec, requireCodec } from '../../wire/media-types.ts';
import type { Codec } from '../../wire/request.ts';
import { headerLines } from './header-lines.ts';

/**
 * Returns the codec for a request's body.
 * @throws LossmeterError unsupported_media_type
 */
export function bodyCodec(request: FastifyRequest): Codec {
  return requireCodec(contentTypeOf(request.raw.rawHeaders), () => curlTarget(request));
}

/** Returns the codec for a body with many items. @throws LossmeterError unsupported_media_type */
export const bulkCodec = (request: FastifyRequest): Codec => requireBulkCodec(contentTypeOf(request.raw.rawHeaders));

/** Lines of Content-Type, joined according to RFC 9110 (5.3); undefined without one. */
function contentTypeOf(rawHeaders: readonly string[]): string | undefined {
  const lines = headerLines(rawHeaders, 'content-type');
  return lines.length === 0 ? undefined : lines.join(', ');
}

/** Host name or address, with a port, without characters that are special in a shell. */
const PLAIN_HOST = /^[\w.:[\]-]{1,255}$/;

/** Arguments with which curl calls the service at the address that the client used. */
function curlTarget({ headers, server }: FastifyRequest): string {
  const path = '/v1/cross-entropy';
  const address = server.server.address();
  if (typeof address === 'string') return `--unix-socket '${address}' http://localhost${path}`;
  const { host = '' } = headers;
  return `http://${PLAIN_HOST.test(host) ? host : `127.0.0.1:${address?.port ?? server.config.port}`}${path}`;
}

/** Largest length of Accept. Parsing it takes time quadratic in the length. */
const MAX_ACCEPT_LENGTH = 1024;

/**
 * Selects the media type of the answer by Accept.
 * @throws LossmeterError not_acceptable
 */
export function acceptedMediaType(request: FastifyRequest): string {
  const { accept } = request.headers;
  if (accept === undefined || accept === '*/*') return REPLY_MEDIA_TYPES[0]!;
  if (accept.length > MAX_ACCEPT_LENGTH) {
    const detail = `Accept has ${accept.length} characters, expected at most ${MAX_ACCEPT_LENGTH}`;
    throw new LossmeterError('not_acceptable', detail);
  }
  const ranges = mediaRanges(accept);
  // RFC 9110 (12.5.1) allows an empty list.
  if (ranges.length === 0) return REPLY_MEDIA_TYPES[0]!;
  request.raw.headers.accept = ranges.join(',');
  const mediaType = request.accepts().type([...REPLY_MEDIA_TYPES]);
  if (typeof mediaType === 'string') return mediaType;
  const detail = `Accept is ${accept}, answers can be ${REPLY_MEDIA_TYPES.join(', ')}`;
  throw new LossmeterError('not_acceptable', detail);
}

/**
 * Media ranges of Accept with their weights. Other parameters are omitted: the types of answers define none, and unknown
 * parameters are ignored (RFC 2045, 5). A single `*`, which Java's HttpURLConnection sends, means any type.
 */
function mediaRanges(accept: string): string[] {
  const unquoted = accept.replaceAll(/"(?:\\.|[^"\\])*"?/g, '');
  return unquoted.split(',').flatMap((element) => {
    const [range = '', ...parameters] = element.split(';').map((part) => part.trim());
    if (range === '') return [];
    const weight = parameters.find((parameter) => /^q\s*=/i.test(parameter));
    return [`${range === '*' ? '*/*' : range}${weight === undefined ? '' : `;${weight}`}`];
  });
}
