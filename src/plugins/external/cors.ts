import cors from '@fastify/cors';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { JSON_LENGTH_HEADER } from '../../wire/open-inference/codec.ts';

/** Seconds for which a browser may keep the answer to a preflight. */
const MAX_AGE = 600;

/**
 * Lets web pages of other origins call the service; none without LOSSMETER_CORS_ORIGINS. Answers preflights before
 * anything asks for a key: browsers send none with them.
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
      // What is no preflight is answered like one, and not by a text of the plugin’s.
      strictPreflight: false,
    });
  },
  { name: 'cors' },
);

/** @throws Error that names what is no origin */
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
