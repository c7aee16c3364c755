import { once } from 'node:events';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startService } from '../../bench/service.ts';
import type { ChildServer } from '../../bench/service.ts';
import type { Reading } from './monitor.ts';

const SHARED_MEMORY = '/dev/shm';
const SPACIOUS_BYTES = 2 ** 30;

const MONITOR = new URL('./monitor.ts', import.meta.url);

export interface WatchedOptions {
  /** Modules to preload into the process of the service. */
  imports?: readonly URL[];
  environment?: Readonly<Record<string, string>>;
}

/** The unmodified service, with a monitor in its process. It has its own store and data directory. */
export class WatchedService implements AsyncDisposable {
  readonly folder: string;
  readonly #server: ChildServer;

  private constructor(folder: string, server: ChildServer) {
    this.folder = folder;
    this.#server = server;
  }

  static async start({ imports = [], environment = {} }: WatchedOptions = {}): Promise<WatchedService> {
    const folder = mkdtempSync(join(spaciousFolder(), 'lossmeter-complexity-'));
    const server = await startService({
      imports: [MONITOR, ...imports],
      environment: {
        LOSSMETER_LOG_LEVEL: 'fatal',
        LOSSMETER_STORE: join(folder, 'history.db'),
        LOSSMETER_DATA_DIR: folder,
        ...environment,
      },
    });
    return new WatchedService(folder, server);
  }

  get port(): number {
    return this.#server.port;
  }

  get pid(): number {
    return this.#server.process.pid!;
  }

  /** Exit code or signal of the process; undefined while it runs. */
  get ended(): string | undefined {
    const { exitCode, signalCode } = this.#server.process;
    if (exitCode === null && signalCode === null) return undefined;
    return signalCode ?? `exit ${exitCode}`;
  }

  /** Reads the monitor, which waits until the main thread can answer. */
  async read(): Promise<Reading> {
    const { process: child } = this.#server;
    const answer = once(child, 'message');
    child.send('read');
    const [reading] = (await answer) as [Reading];
    return reading;
  }

  /** Kills the service: it may be too busy to end by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.process.kill('SIGKILL');
    await this.#server[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Folder in shared memory when that has enough space, because each recording waits for the disk; else the folder tmpdir. */
function spaciousFolder(): string {
  try {
    const { bavail, bsize } = statfsSync(SHARED_MEMORY);
    return bavail * bsize >= SPACIOUS_BYTES ? SHARED_MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}
