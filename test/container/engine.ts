/** Engines that build the image and run it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const IMAGE = 'localhost/lossmeter-test';

/** Base image of the Dockerfile. */
export const BASE = /^FROM (\S+)/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8'))![1]!;

/** Fields of an image's configuration that the tests read, with the names of OCI and Docker. */
export interface ImageConfig {
  User: string;
  Env: string[];
  Entrypoint: string[];
  Cmd: string[];
  WorkingDir: string;
  Labels: Record<string, string>;
  Volumes: Record<string, object>;
  Healthcheck: { Test: string[] };
}

/**
 * Builds the image and runs containers of it. They have a read-only root file system, no capabilities, and share one
 * volume. A port that a container listens on is reachable on 127.0.0.1.
 */
export interface Engine {
  readonly name: string;
  /** @throws Error when the engine cannot build the image, or cannot run it */
  build(args: readonly string[]): Promise<void>;
  config(): Promise<ImageConfig>;
  /** Bytes of an image, as the engine counts them. */
  size(image: string): Promise<number>;
  /** Runs the image's entry point with arguments. */
  run(args: readonly string[], options?: { environment?: Record<string, string>; port?: number }): Container;
  /** Removes the image, and everything else that the engine created. */
  remove(): Promise<void>;
}

/** Exit status and output of a command. */
export interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

export abstract class Container {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  /** Output of process 1 so far. */
  output = '';

  /** Starts a command that ends together with process 1, with its exit code. */
  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#closed = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.output += text.toString();
      });
    }
  }

  /** Runs a command beside process 1. */
  abstract exec(command: readonly string[]): Promise<Ended>;

  /** Sends a signal to process 1. */
  abstract signal(name: 'TERM' | 'KILL'): Promise<void>;

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves to the exit code. */
  async end(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }

  protected get pid(): number {
    return this.#child.pid!;
  }
}

/** Runs a command to its end. @throws Error when it cannot be run */
export async function attempt(command: string, args: readonly string[]): Promise<Ended> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, stdout, stderr };
}

/** Runs a command that must succeed. @returns its output @throws Error with the end of its output */
export async function call(command: string, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await attempt(command, args);
  if (status === 0) return stdout;
  throw new Error(`${command} ${args[0]} ended in ${status}:\n${`${stdout}${stderr}`.trim().slice(-2000)}`);
}

/** Builds the image with the first engine that can build and run it. @throws Error with the problem of each engine */
export async function buildWithFirst(engines: readonly Engine[]): Promise<Engine> {
  const folder = mkdtempSync(join(tmpdir(), 'lossmeter-npmrc-'));
  const problems: string[] = [];
  try {
    const npmrc = join(folder, 'npmrc');
    writeFileSync(npmrc, await npmSettings(), { mode: 0o600 });
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    for (const engine of engines) {
      try {
        await engine.build(['--secret', `id=npmrc,src=${npmrc}`, '--build-arg', `VERSION=${version}`, '--tag', IMAGE]);
        return engine;
      } catch (error) {
        problems.push(`${engine.name}: ${(error as Error).message}`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  throw new Error(
    `The image was not built. That takes docker with its engine, podman, or buildah as root.\n${problems.join('\n')}`,
  );
}

/** Settings of npm on this machine, which may use another registry. */
async function npmSettings(): Promise<string> {
  const get = async (key: string): Promise<string> => (await call('npm', ['config', 'get', key])).trim();
  const file = await get('userconfig');
  return `${existsSync(file) ? readFileSync(file, 'utf8') : ''}\nregistry=${await get('registry')}\n`;
}
