import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../../bench/free-port.ts';

/** Folder of the PostgreSQL programs in Debian, by version. */
const VERSIONS = '/usr/lib/postgresql';

const READY_WITHIN_MS = 30_000;

/** Path of a program of the newest PostgreSQL. @throws Error when there is none */
export function program(name: string): string {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).toSorted((a, b) => Number(a) - Number(b)) : [];
  if (versions.length === 0) throw new Error(`no PostgreSQL in ${VERSIONS}: install the package postgresql of Debian`);
  return join(VERSIONS, versions.at(-1)!, 'bin', name);
}

/** User for the server. As root, it is the user of Debian's package, because PostgreSQL refuses to run as root. */
const owner = (): { uid?: number; gid?: number } => {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
};

/** A PostgreSQL server on a free port of loopback, with its own folder. */
export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  #process: ChildProcess | undefined;
  #databases = 0;

  readonly #isDurable: boolean;

  private constructor(folder: string, port: number, isDurable: boolean) {
    this.#isDurable = isDurable;
    this.#folder = folder;
    this.port = port;
  }

  /** @param isDurable false for tests that do not depend on durability, which makes them several times as fast */
  static async start({ isDurable = true }: { isDurable?: boolean } = {}): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'lossmeter-postgres-'));
    const user = owner();
    if (user.uid !== undefined) chownSync(folder, user.uid, user.gid!);
    execFileSync(
      program('initdb'),
      ['-D', join(folder, 'data'), '-U', 'postgres', '-A', 'trust', '--locale=C.UTF-8', '-E', 'UTF8'],
      { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
    );
    const server = new PostgresServer(folder, await freePort(), isDurable);
    await server.run();
    return server;
  }

  /** Starts the server and waits until it is ready, also after `stop`. */
  async run(): Promise<void> {
    this.#process = spawn(
      program('postgres'),
      [
        ...['-D', join(this.#folder, 'data'), '-p', String(this.port), '-k', this.#folder, '-h', '127.0.0.1'],
        ...['-c', 'max_connections=200', '-c', 'shared_buffers=256MB', '-c', 'log_min_messages=panic'],
        ...(this.#isDurable ? [] : ['-c', 'fsync=off', '-c', 'full_page_writes=off']),
      ],
      { ...owner(), cwd: this.#folder, stdio: 'ignore' },
    );
    const end = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const client = new pg.Client({ connectionString: this.url('postgres') });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.end();
        return;
      } catch (error) {
        if (performance.now() > end || this.#process.exitCode !== null) throw error;
      }
      await sleep(50);
    }
  }

  /** URL of a database. */
  url(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  /** Makes an empty database. @returns its URL */
  async database(): Promise<string> {
    const name = `lossmeter_${process.pid}_${this.#databases++}`;
    await execute(this.url('postgres'), `CREATE DATABASE ${name}`);
    return this.url(name);
  }

  /** Sends a signal to all processes of the server. */
  signal(name: NodeJS.Signals): void {
    const { pid } = this.#process!;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
    for (const one of [pid!, ...children]) process.kill(one, name);
  }

  /** Ends the server as a restart does: it breaks all connections. */
  async stop(): Promise<void> {
    const server = this.#process!;
    if (server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGINT');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Executes statements on a connection of its own. */
export async function execute(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows;
  } finally {
    await client.end();
  }
}
