/** Baseline for a Fastify route with a body: reads the whole body and answers a constant. */
import Fastify from 'fastify';

const app = Fastify();
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
app.get('/readyz', () => ({ ready: true }));
app.post('/v1/cross-entropy', () => ({ loss: 0 }));
await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) });
