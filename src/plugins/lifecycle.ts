import fp from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the service takes work. */
    readonly isReady: () => boolean;
  }
}

/** Knows whether the service takes work: from ready until it is asked to close. */
export default fp(
  async (app) => {
    let ready = false;
    app.decorate('isReady', () => ready);
    app.addHook('onReady', async () => {
      ready = true;
    });
    app.addHook('preClose', async () => {
      ready = false;
    });
    // A connection that stayed open after its last answer would keep the server from closing.
    app.addHook('onSend', async (_request, reply) => {
      if (!ready) reply.header('connection', 'close');
    });
  },
  { name: 'lifecycle' },
);
