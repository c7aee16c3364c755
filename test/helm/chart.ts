/** The chart as Helm renders it. */
import { execFile, spawnSync } from 'node:child_process';
import path from 'node:path';
import { ROOT, environmentOf, pythonOf } from '../python/environment.ts';
import { customResources, helmProgram } from './toolbox.ts';

export const CHART = path.join(ROOT, 'deploy/helm/lossmeter');
const RELEASE = 'trainers';
const NAMESPACE = 'loss';

/** Versions of Kubernetes whose schemas the documents must meet: from the oldest that Chart.yaml allows. */
export const KUBERNETES = Array.from({ length: 11 }, (_, k) => `1.${27 + k}`);

/** Values of the chart. */
export type Values = Readonly<Record<string, unknown>>;

/** An object of Kubernetes, which is validated by its schema before a test reads it. */
export interface Document {
  kind: string;
  apiVersion: string;
  metadata: { name: string; namespace: string; labels: Record<string, string>; annotations?: Record<string, string> };
  // oxlint-disable-next-line typescript/no-explicit-any
  spec: any;
  data?: Record<string, string>;
  stringData?: Record<string, string>;
}

interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs Helm. @param input values in JSON, which `--values -` reads */
export function helm(args: readonly string[], { input = '', cwd = ROOT } = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { cwd, maxBuffer: 2 ** 26 };
    const child = execFile(helmProgram(), args, options, (error, stdout, stderr) => {
      const own = stderr.replaceAll(/^.*found symbolic link in path.*\n/gm, '');
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr: own });
    });
    // Helm may end before it has read all input.
    child.stdin!.on('error', () => undefined).end(input);
  });
}

/** Renders the chart. */
export function template(values: Values, chart = CHART, release = RELEASE): Promise<Outcome> {
  const args = ['template', release, chart, '--namespace', NAMESPACE, '--values', '-'];
  return helm(args, { input: JSON.stringify(values) });
}

/** @throws Error with the message of Helm */
export async function render(values: Values, chart = CHART): Promise<string> {
  const { status, stdout, stderr } = await template(values, chart);
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

interface Report {
  documents: Record<string, Document[]>;
  problems: string[];
  /** Number of distinct documents. */
  distinct: number;
}

/** Reads manifests, and validates their documents by the schemas of Kubernetes and of custom resources. */
export function validate(
  manifests: Readonly<Record<string, string>>,
  versions: readonly string[] = KUBERNETES,
): Report {
  const environment = environmentOf({ name: 'helm', requirements: 'test/helm/requirements.txt' });
  const input = JSON.stringify({ manifests, versions, crds: customResources() });
  const script = path.join(import.meta.dirname, 'validate.py');
  const options = { input, encoding: 'utf8', maxBuffer: 2 ** 28 } as const;
  const { status, stdout, stderr } = spawnSync(pythonOf(environment), [script], options);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Report;
}

/** Kinds that start pods. */
const WORKLOADS = new Set(['Deployment', 'StatefulSet', 'Job']);

/** Objects that start pods. */
export function workloadsOf(documents: readonly Document[]): Document[] {
  return documents.filter(({ kind }) => WORKLOADS.has(kind));
}

/** True for the object that starts workers. */
export const isWorker = ({ metadata }: Document): boolean => metadata.name.endsWith('-worker');

/** The object that starts the pods of the service. */
export function workloadOf(documents: readonly Document[]): Document {
  const workloads = workloadsOf(documents).filter((workload) => !isWorker(workload));
  if (workloads.length !== 1) throw new Error(`${workloads.length} workloads`);
  return workloads[0]!;
}

/** The object that starts workers. @throws Error without one */
export function workerOf(documents: readonly Document[]): Document {
  const workers = workloadsOf(documents).filter(isWorker);
  if (workers.length !== 1) throw new Error(`${workers.length} objects that start workers`);
  return workers[0]!;
}
