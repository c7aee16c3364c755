import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import accepts from '@fastify/accepts';
import autoload from '@fastify/autoload';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify from 'fastify';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import type { Config } from './config.ts';
import { parameterCompiler } from './contract/parameters.ts';
import type { KernelPool } from './engine/pool.ts';
import answers from './plugins/app/answers.ts';
import auth from './plugins/app/auth.ts';
import { answerClientError, answerConnect } from './plugins/app/client-errors.ts';
import connections from './plugins/app/connections.ts';
import cors from './plugins/external/cors.ts';
import dashboard from './plugins/external/dashboard.ts';
import guide from './plugins/external/guide.ts';
import errors, { answerFrameworkError } from './plugins/app/errors.ts';
import evaluator from './plugins/app/evaluator.ts';
import history from './plugins/app/history.ts';
import hosts from './plugins/app/hosts.ts';
import inferences from './plugins/app/inferences.ts';
import jobs from './plugins/app/jobs.ts';
import lifecycle from './plugins/app/lifecycle.ts';
import limits from './plugins/external/limits.ts';
import openapi from './plugins/external/openapi.ts';
import origins from './plugins/app/origins.ts';
import rawBodies from './plugins/app/raw-bodies.ts';
import runs from './plugins/app/runs.ts';
import securityHeaders from './plugins/external/security-headers.ts';
import telemetry from './plugins/app/telemetry.ts';
import traces from './plugins/app/tracing.ts';
import type { Tracing } from './telemetry/tracing/start.ts';

/** Milliseconds without traffic after which a connection is closed. */
const IDLE_SOCKET_MS = 120_000;

/** Milliseconds between two checks for late request heads. */
const HEAD_CHECK_MS = 1000;

/** Compilers of route schemas, in place of Fastify's own, which load Ajv and generate code at the start. */
const COMPILERS = {
  buildValidator: () => parameterCompiler,
  // Tests compare every reply with its schema.
  buildSerializer: () => () => (data: unknown) => JSON.stringify(data),
  // Fastify's types accept only Ajv's factories.
} as unknown as NonNullable<NonNullable<FastifyServerOptions['schemaController']>['compilersFactory']>;

/** Options of buildApp. */
export interface AppOptions {
  config: Config;
  /** Kernel pool, which the service closes. By default the service opens a pool. */
  pool?: KernelPool;
  /** Fastify's logger option; by default nothing is logged. */
  logger?: FastifyServerOptions['logger'];
  /** Tracing; by default nothing is traced. */
  tracing?: Tracing | undefined;
}

/**
 * Composes the service, for the server, the tests and the OpenAPI generator alike. Routes are loaded from routes/ by their
 * paths, so this file does not name them.
 */
export async function buildApp({ config, pool, logger = false, tracing }: AppOptions): Promise<FastifyInstance> {
  const app = Fastify({
    logger,
    genReqId: () => randomUUID(),
    schemaController: { compilersFactory: COMPILERS },
    // Schemas check the parameters. By default the router refuses run names of more than 100 characters.
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: config.maxHeaderBytes },
    // While the service closes, the lifecycle plugin refuses requests with a problem, and probes are still answered.
    return503OnClosing: false,
    frameworkErrors: answerFrameworkError,
    clientErrorHandler: (error, socket) => answerClientError(app, error, socket),
    // A history of an earlier version is converted at the start, which can take minutes.
    pluginTimeout: 0,
    http: {
      maxHeaderSize: config.maxHeaderBytes,
      headersTimeout: config.stallSeconds * 1000,
      connectionsCheckingInterval: HEAD_CHECK_MS,
      // The hosts plugin refuses a missing Host header with a problem.
      requireHostHeader: false,
    },
    connectionTimeout: IDLE_SOCKET_MS,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.on('connect', (_request, socket: Socket) => answerConnect(app, socket));

  await app.register(errors);
  // Registered after the handler of unknown paths, which would become a span, and before all hooks.
  await app.register(traces, { tracing });
  await app.register(telemetry, { config });
  await app.register(securityHeaders);
  await app.register(cors, { config });
  await app.register(rawBodies);
  await app.register(hosts, { config });
  await app.register(origins, { config });
  await app.register(connections, { config });
  await app.register(lifecycle, { config });
  await app.register(auth, { config });
  const { maxRequestsPerMinute } = config;
  if (maxRequestsPerMinute !== undefined) await app.register(limits, { maxRequestsPerMinute });
  await app.register(openapi, { config });
  await app.register(accepts);
  await app.register(dashboard);
  await app.register(guide, { config });
  await app.register(answers);
  await app.register(inferences);
  await app.register(evaluator, { config, pool });
  await app.register(runs, { config });
  await app.register(history, { config });
  await app.register(jobs, { config });
  await app.register(autoload, { dir: fileURLToPath(new URL('../routes', import.meta.url)), forceESM: true });
  return app;
}
