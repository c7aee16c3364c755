import { Container, IMAGE, attempt, call } from './engine.ts';
import type { Ended, Engine, ImageConfig } from './engine.ts';

/** Name of the volume and prefix of containers, unique to this run of the suite. */
const NAME = `lossmeter-test-${process.pid}`;

interface Inspected {
  Config: ImageConfig;
  Healthcheck?: ImageConfig['Healthcheck'];
  Size: number;
}

/** Docker, or Podman, which accepts the same commands. */
export class Docker implements Engine {
  readonly name: 'docker' | 'podman';
  #containers = 0;

  constructor(name: Docker['name']) {
    this.name = name;
  }

  async build(args: readonly string[]): Promise<void> {
    // Fails first when the engine is missing or does not run, with the clearest message.
    await call(this.name, ['info']);
    // The default format of Podman has no health checks.
    const format = this.name === 'podman' ? ['--format', 'docker'] : [];
    await call(this.name, ['build', ...format, ...args, '.']);
    await call(this.name, ['run', '--rm', IMAGE, '--version']);
  }

  async config(): Promise<ImageConfig> {
    const [{ Config, Healthcheck }] = await this.#inspect(IMAGE);
    // Podman reports the health check outside of Config.
    return { ...(Healthcheck !== undefined && { Healthcheck }), ...Config };
  }

  async size(image: string): Promise<number> {
    // The builder may not have stored the base image in the engine.
    const { status } = await attempt(this.name, ['image', 'inspect', image]);
    if (status !== 0) await call(this.name, ['pull', '--quiet', image]);
    return (await this.#inspect(image))[0].Size;
  }

  async #inspect(image: string): Promise<[Inspected]> {
    return JSON.parse(await call(this.name, ['image', 'inspect', image])) as [Inspected];
  }

  run(
    args: readonly string[],
    { environment = {}, port }: { environment?: Record<string, string>; port?: number } = {},
  ): Container {
    const name = `${NAME}-${(this.#containers += 1)}`;
    return new DockerContainer(this.name, name, [
      ...['run', '--rm', '--name', name, '--volume', `${NAME}:/var/lib/lossmeter`],
      // By default Podman makes folders for temporary files writable.
      ...['--read-only', ...(this.name === 'podman' ? ['--read-only-tmpfs=false'] : [])],
      ...['--cap-drop', 'ALL', '--security-opt', 'no-new-privileges'],
      ...Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`]),
      ...(port === undefined ? [] : ['--publish', `127.0.0.1:${port}:${port}`]),
      ...[IMAGE, ...args],
    ]);
  }

  async remove(): Promise<void> {
    await attempt(this.name, ['volume', 'rm', NAME]);
    await attempt(this.name, ['image', 'rm', IMAGE]);
  }
}

class DockerContainer extends Container {
  readonly #engine: string;
  readonly #name: string;

  constructor(engine: string, name: string, args: readonly string[]) {
    super(engine, args);
    this.#engine = engine;
    this.#name = name;
  }

  exec(command: readonly string[]): Promise<Ended> {
    return attempt(this.#engine, ['exec', this.#name, ...command]);
  }

  async signal(name: 'TERM' | 'KILL'): Promise<void> {
    await call(this.#engine, ['kill', '--signal', name, this.#name]);
  }
}
