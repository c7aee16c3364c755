import cors from '@fastify/cors';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { JSON_LENGTH_HEADER } from '../../wire/open-inference/codec.ts';

/** Seconds for which a browser may cache the answer to a preflight. */
const MAX_AGE = 600;

/**
 * Allows the origins in LOSSMETER_CORS_ORIGINS to call the service. Answers preflights before keys are checked, because
 * browsers send preflights without a key.
 */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    if (config.corsOrigins === undefined) return;
    await app.register(cors, {
      origin: readOrigins(config.corsOrigins),
      methods: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'],
      allowedHeaders: [
        'accept',
        'authorization',
        'content-encoding',
        'content-type',
        'x-api-key',
        JSON_LENGTH_HEADER,
        'traceparent',
        'tracestate',
      ],
      exposedHeaders: [
        'retry-after',
        'server-timing',
        'www-authenticate',
        JSON_LENGTH_HEADER,
        'ratelimit-limit',
        'ratelimit-remaining',
        'ratelimit-reset',
      ],
      maxAge: MAX_AGE,
      // An OPTIONS request that is not a preflight is answered like one, and not with the plugin's text.
      strictPreflight: false,
    });
  },
  { name: 'cors' },
);

/** @throws Error that names the invalid origin */
export function readOrigins(text: string): string[] {
  return text.split(',').map((part) => {
    const origin = part.trim();
    if (origin === '*' || (/^https?:/.test(origin) && URL.canParse(origin) && new URL(origin).origin === origin)) {
      return origin;
    }
    throw new Error(
      `LOSSMETER_CORS_ORIGINS has ${JSON.stringify(origin)}, expected origins such as https://dash.example.org, without a path, or *`,
    );
  });
}
