import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fp from 'fastify-plugin';
import type { Config } from '../../config.ts';
import { withComponents } from '../../contract/components.ts';
import { SECURITY_SCHEMES, operationOf } from '../../contract/operation.ts';
import { VERSION } from '../../version.ts';
import { answersToTheEnd } from '../app/lifecycle.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** OpenAPI document as JSON, made once. Its server is relative to the path of the document. */
    readonly openApiText: () => Buffer;
  }
}

/** API documentation: an OpenAPI 3.1 document, made from the schemas of the routes, and Swagger UI at /docs. */
export default fp<{ config: Config }>(
  async (app, { config }) => {
    const responses: Record<string, object> = {};
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: {
          title: 'Lossmeter',
          version: VERSION,
          description:
            'Evaluates cross-entropy loss over HTTP. Post logits, labels and an optional mask; the answer has the loss. When a value is not finite, the answer also names the row, the class and the cause.',
          license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
        },
        tags: [
          { name: 'evaluation', description: 'Evaluate a batch.' },
          { name: 'jobs', description: 'Evaluation of many files in the background.' },
          { name: 'runs', description: 'The history of training runs.' },
          { name: 'open inference', description: 'The Open Inference Protocol of KServe and Triton.' },
          { name: 'service', description: 'Version, limits and health of the service.' },
        ],
        servers: [{ url: 'http://127.0.0.1:8080' }],
        components: { securitySchemes: SECURITY_SCHEMES },
      },
      transform: ({ schema, url, route }) => {
        const standing = { url, access: route.config!.scope!, answersToTheEnd: answersToTheEnd(url) };
        return { url, schema: operationOf(schema, standing, responses) };
      },
      transformObject: (made) => ('openapiObject' in made ? withComponents({ ...made.openapiObject }, responses) : {}),
      stripBasePath: false,
    });
    const { swagger: document } = app;
    /** The document with a server that is relative to the document's path: a proxy may add a prefix. */
    const textAt = (url: string) => madeOnce(() => ({ ...document(), servers: [{ url }] }));
    app.decorate('openApiText', textAt('.'));
    if (config.docs === 'off') return;
    const pageText = textAt('..');
    // Omits the top bar: its input is for other documents, and its logo has a style that the security headers forbid.
    await app.register(swaggerUi, {
      routePrefix: '/docs',
      uiConfig: { layout: 'BaseLayout' },
      uiHooks: {
        // Redirects are relative because a proxy may add a prefix. The page's files are relative to `/docs/`.
        onRequest: async ({ url, routeOptions }, reply) => {
          if (routeOptions.url === '/docs/json') return reply.type('application/json; charset=utf-8').send(pageText());
          // JSON is valid YAML. Converting it to block style would take half a second per request.
          if (routeOptions.url === '/docs/yaml') return reply.type('application/x-yaml').send(pageText());
          const path = url.split('?', 1)[0]!;
          if (path.endsWith('/docs')) return reply.redirect('docs/');
          if (path.endsWith('/static/index.html')) return reply.redirect('../');
        },
      },
    });
  },
  { name: 'openapi' },
);

function madeOnce(make: () => object): () => Buffer {
  let text: Buffer | undefined;
  return () => (text ??= Buffer.from(JSON.stringify(make())));
}
