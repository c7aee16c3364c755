/** Provides Helm, the Pod Security Standards and the schemas of custom resources, from the Go module proxy. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../python/environment.ts';

const HELM = 'helm.sh/helm/v3';
const HELM_VERSION = 'v3.18.4';

/** Version of Kubernetes that Helm assumes without a cluster. `go install` alone leaves it at 1.20. */
const ASSUMED = { k8sVersionMajor: '1', k8sVersionMinor: '33' };

/** Modules with the CustomResourceDefinitions of objects that the chart creates and Kubernetes itself does not define. */
const CUSTOM_RESOURCES = [
  {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    files: ['servicemonitors', 'prometheusrules'].map(
      (name) => `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
    ),
  },
  {
    module: 'sigs.k8s.io/gateway-api@v1.3.0',
    files: ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
  },
];

/** Path of Helm, which is built at the first call. @throws Error that names what is missing */
export function helmProgram(): string {
  const linked = ['pkg/chartutil', 'pkg/lint/rules'].flatMap((name) =>
    Object.entries(ASSUMED).map(([variable, value]) => `-X ${HELM}/${name}.${variable}=${value}`),
  );
  const folder = cached(`helm-${HELM_VERSION}-${ASSUMED.k8sVersionMinor}`, (made) => {
    go(['install', '-ldflags', ['-s -w', ...linked].join(' '), `${HELM}/cmd/helm@${HELM_VERSION}`], { GOBIN: made });
  });
  return path.join(folder, 'helm');
}

/** Path of the program that evaluates pods, which is built at the first call. */
export function podSecurityProgram(): string {
  const sources = path.join(import.meta.dirname, 'pod-security');
  const texts = ['main.go', 'go.mod', 'go.sum'].map((name) => readFileSync(path.join(sources, name)));
  const digest = createHash('sha256').update(Buffer.concat(texts)).digest('hex').slice(0, 12);
  const folder = cached(`pod-security-${digest}`, (made) => {
    go(['build', '-C', sources, '-o', made, '.']);
  });
  return path.join(folder, 'pod-security');
}

/** Cached folder, which the first call creates with `make`. */
function cached(name: string, make: (folder: string) => void): string {
  const folder = path.join(ROOT, 'node_modules/.cache', `lossmeter-${name}`);
  if (existsSync(folder)) return folder;
  mkdirSync(path.dirname(folder), { recursive: true });
  const made = mkdtempSync(`${folder}-`);
  make(made);
  moveInto(folder, made);
  return folder;
}

/** Renames a folder to its final name. Removes it when another process was first. */
function moveInto(folder: string, made: string): void {
  try {
    renameSync(made, folder);
  } catch (error) {
    if (!existsSync(folder)) throw error;
    rmSync(made, { recursive: true });
  }
}

/** Paths of the CustomResourceDefinitions. */
export function customResources(): string[] {
  return CUSTOM_RESOURCES.flatMap(({ module, files }) => {
    const { Dir } = JSON.parse(go(['mod', 'download', '-json', module])) as { Dir: string };
    return files.map((file) => path.join(Dir, file));
  });
}

function go(args: readonly string[], environment: NodeJS.ProcessEnv = {}): string {
  const env = { ...process.env, ...environment };
  const { status, stdout, stderr, error } = spawnSync('go', args, { cwd: ROOT, env, encoding: 'utf8' });
  if (status === 0) return stdout;
  throw new Error(`The tests of the chart need Go 1.24 or later: go ${args[0]} failed.\n${error?.message ?? stderr}`);
}
