import { lstat, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { Config } from './config.ts';

/**
 * Listens where the configuration says: on a Unix domain socket, or on host and port. Closing removes the socket.
 * @throws Error when something else listens there, or the path of the socket is taken by another kind of file
 */
export async function listen(app: FastifyInstance, { host, port, socket }: Config): Promise<void> {
  if (socket === undefined) {
    await app.listen({ host, port }).catch((cause: NodeJS.ErrnoException) => {
      const explanation = explain(cause, { host, port });
      throw explanation === undefined ? cause : new Error(explanation, { cause });
    });
    return;
  }
  await removeStaleSocket(socket);
  await app.listen({ path: socket });
}

/** Says which variable is wrong, and why; undefined for errors that are not about the address. */
function explain(
  { code = '', message }: NodeJS.ErrnoException,
  { host, port }: Pick<Config, 'host' | 'port'>,
): string | undefined {
  if (code === 'EADDRINUSE') {
    return `LOSSMETER_PORT is ${port}, on which another process listens at ${host}: end it, or set another port, or 0 for a free one`;
  }
  if (code === 'EACCES') return `LOSSMETER_PORT is ${port}, on which this process may not listen: set one from 1024 on`;
  if (['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EINVAL'].includes(code)) {
    return `LOSSMETER_HOST is ${host}, which is no address of this machine: ${message}`;
  }
  return undefined;
}

/** A service that was killed leaves its socket behind, on which nobody listens. */
async function removeStaleSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  if (!stats.isSocket()) throw new Error(`LOSSMETER_SOCKET is ${path}, which is there and is not a socket`);
  if (await isListening(path)) throw new Error(`LOSSMETER_SOCKET is ${path}, on which another process listens`);
  // Another service may have come first.
  await rm(path, { force: true });
}

/** Only a refused connection, or no socket any more, says that nobody does. */
function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    );
  });
}
