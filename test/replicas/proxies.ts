import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../bench/free-port.ts';

const READY_WITHIN_MS = 10_000;

/** Load balancers in Debian, with their configurations in deploy/. */
const PROXIES = {
  haproxy: {
    program: '/usr/sbin/haproxy',
    configuration: 'deploy/haproxy/haproxy.cfg',
    args: (file: string) => ['-f', file],
    port: 'bind :8080',
    portAs: (port: number) => `bind 127.0.0.1:${port}`,
  },
  nginx: {
    program: '/usr/sbin/nginx',
    configuration: 'deploy/nginx/nginx.conf',
    args: (file: string, folder: string) => [
      ...['-c', file, '-p', folder, '-e', 'stderr'],
      ...['-g', `daemon off; pid ${folder}/nginx.pid;`],
    ],
    port: 'listen 8080',
    portAs: (port: number) => `listen 127.0.0.1:${port}`,
  },
} as const;

export type ProxyName = keyof typeof PROXIES;

export interface Proxy extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

/** Starts a load balancer in front of replicas, with the configuration of deploy/ but local addresses. */
export async function startProxy(name: ProxyName, replicas: readonly number[]): Promise<Proxy> {
  const { program, configuration, args, port: declared, portAs } = PROXIES[name];
  if (!existsSync(program)) throw new Error(`no ${program}: install the package ${name} of Debian`);
  const folder = mkdtempSync(join(tmpdir(), `lossmeter-${name}-`));
  const port = await freePort();
  let text = readFileSync(configuration, 'utf8');
  const changes = [
    [declared, portAs(port)] as const,
    ...replicas.map((replica, k) => [`lossmeter-${k + 1}:8080`, `127.0.0.1:${replica}`] as const),
  ];
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`${configuration} has no ${from}`);
    text = text.replaceAll(from, to);
  }
  // Replaces the default paths of Debian's nginx, which only root may write.
  if (name === 'nginx') {
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (path) => `${path}_temp_path ${folder}/${path};`,
    );
    text = text.replace('http {', `http {\n${paths.join('\n')}`);
  }
  const file = join(folder, 'configuration');
  writeFileSync(file, text);
  const child = spawn(program, args(file, folder), { stdio: ['ignore', 'ignore', 'inherit'] });
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await answering(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, port, [Symbol.asyncDispose]: stop };
}

async function answering(port: number): Promise<void> {
  for (const end = performance.now() + READY_WITHIN_MS; ; await sleep(20)) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
    } finally {
      socket.destroy();
    }
  }
}
