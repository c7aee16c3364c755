import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container, IMAGE, attempt, call } from './engine.ts';
import type { Ended, Engine, ImageConfig } from './engine.ts';

const VOLUME = '/var/lib/lossmeter';

/**
 * Parts of a container: a view of the image's files that is read-only except for the volume, and an unprivileged
 * process 1. $1 is the folder of the files, $2 the mount point of the view, $3 the user.
 */
const CONTAIN = `set -e
mount --bind "$1" "$2"
mount -o remount,bind,ro "$2"
mount --bind "$1${VOLUME}" "$2${VOLUME}"
mount -t proc proc "$2/proc"
mount --rbind /dev "$2/dev"
view=$2 user=$3
shift 3
exec chroot --userspec="$user" "$view" "$@"`;

/**
 * Buildah, for machines that cannot run containers. It builds with chroot isolation only. This class provides the parts
 * of a container that the image needs, with namespaces of the kernel. Containers share the network of the machine.
 */
export class Buildah implements Engine {
  readonly name = 'buildah';
  #container: string | undefined;
  #config!: ImageConfig;
  #files = '';
  #view = '';

  async build(args: readonly string[]): Promise<void> {
    const format = ['--format', 'docker', '--isolation', 'chroot', '--network', 'host', '--pull=false'];
    await call('buildah', ['bud', ...format, ...args, '.']);
    const inspected = await call('buildah', ['inspect', '--type', 'image', IMAGE]);
    this.#config = (JSON.parse(inspected) as { Docker: { config: ImageConfig } }).Docker.config;
    this.#container = (await call('buildah', ['from', '--pull-never', IMAGE])).trim();
    this.#files = (await call('buildah', ['mount', this.#container])).trim();
    this.#view = mkdtempSync(join(tmpdir(), 'lossmeter-root-'));
  }

  async config(): Promise<ImageConfig> {
    return this.#config;
  }

  async size(image: string): Promise<number> {
    // Buildah prints a number with a unit, such as 357 MB.
    const [value, unit] = (await call('buildah', ['images', '--format', '{{.Size}}', image])).trim().split(' ');
    return Number(value) * { KB: 1e3, MB: 1e6, GB: 1e9 }[unit!]!;
  }

  run(args: readonly string[], { environment = {} }: { environment?: Record<string, string> } = {}): Container {
    const { User, Env, Entrypoint, WorkingDir } = this.#config;
    const env = ['env', '-i', `--chdir=${WorkingDir}`, ...Env];
    const given = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
    return new Contained(User, [...env, ...given], [this.#files, this.#view], [...Entrypoint, ...args]);
  }

  async remove(): Promise<void> {
    if (this.#container !== undefined) {
      rmdirSync(this.#view);
      await attempt('buildah', ['rm', this.#container]);
    }
    await attempt('buildah', ['rmi', IMAGE]);
  }
}

class Contained extends Container {
  readonly #user: string;
  readonly #env: readonly string[];

  constructor(user: string, env: readonly string[], roots: readonly string[], command: readonly string[]) {
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child'];
    super('unshare', [...namespaces, '--', 'sh', '-c', CONTAIN, 'sh', ...roots, user, ...env, ...command]);
    this.#user = user;
    this.#env = env;
  }

  /** Process id of process 1 outside of its namespace: the child of unshare. */
  get #first(): string {
    return readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').trim();
  }

  exec(command: readonly string[]): Promise<Ended> {
    const within = ['--target', this.#first, '--mount', '--pid', '--root'];
    const args = ['chroot', `--userspec=${this.#user}`, '/', ...this.#env, ...command];
    return attempt('nsenter', [...within, '--', ...args]);
  }

  async signal(name: 'TERM' | 'KILL'): Promise<void> {
    process.kill(Number(this.#first), `SIG${name}`);
  }
}
