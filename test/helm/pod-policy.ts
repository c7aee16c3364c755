/** Rules for the pods of the chart, beyond the schemas of Kubernetes. */
import { dirname } from 'node:path';
import { describeConfig, loadConfig } from '../../src/environment.ts';
import { CLOSE_MS } from '../../src/shutdown.ts';
import { isPostgres } from '../../src/runs/open-store.ts';
import { isWorker, workloadOf, workloadsOf } from './chart.ts';
import type { Document } from './chart.ts';

interface Variable {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef?: { name: string; key: string } };
}

export interface Container {
  image: string;
  env: Variable[];
  ports?: { name: string; containerPort: number }[];
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  // oxlint-disable-next-line typescript/no-explicit-any
  [field: string]: any;
}

interface Volume {
  name: string;
  emptyDir?: { sizeLimit?: string };
  secret?: { secretName: string };
  persistentVolumeClaim?: { claimName: string };
}

/** The single container of the pods that an object starts. */
export const containerIn = ({ spec }: Document): Container => spec.template.spec.containers[0] as Container;

/** The single container of the pods of the service. */
export const containerOf = (documents: readonly Document[]): Container => containerIn(workloadOf(documents));

const VARIABLES = new Set(describeConfig().map(({ name }) => name));

/** Example values of Secrets, for variables whose values the chart does not know. */
const OF_SECRETS: Readonly<Record<string, string>> = {
  LOSSMETER_STORE: 'postgres://user@db/loss',
  LOSSMETER_WEBHOOK_SECRET: 'sixteen letters!',
  MLFLOW_TRACKING_URI: 'https://user:password@mlflow.example.org',
  MLFLOW_TRACKING_TOKEN: 'token',
};

/** Variables by name. Example values replace values from Secrets. */
export function environmentOf({ env }: Container): Record<string, string> {
  return Object.fromEntries(env.map(({ name, value }) => [name, value ?? OF_SECRETS[name] ?? `a secret of ${name}`]));
}

/** Bytes or cores of a Kubernetes quantity. */
export function quantity(text: string): number {
  const [, digits, unit = ''] = /^([\d.]+)(\w*)$/.exec(text)!;
  const factors: Record<string, number> = {
    '': 1,
    m: 1e-3,
    k: 1e3,
    M: 1e6,
    G: 1e9,
    Ki: 2 ** 10,
    Mi: 2 ** 20,
    Gi: 2 ** 30,
  };
  return Number(digits) * factors[unit]!;
}

/** True for each broken rule, by the message about it. */
type Rules = Record<string, boolean>;

const broken = (rules: Rules): string[] => Object.keys(rules).filter((name) => rules[name]!);

/** @returns the rules that the pods of the service and of its workers break */
export function findPodViolations(documents: readonly Document[]): string[] {
  return workloadsOf(documents).flatMap(findViolations);
}

function findViolations(workload: Document): string[] {
  const pod = workload.spec.template.spec;
  const containers = [...(pod.initContainers ?? []), ...pod.containers] as Container[];
  return [
    ...broken({
      'runs as root': pod.securityContext?.runAsNonRoot !== true || !(pod.securityContext.runAsUser > 0),
      'no group for its volumes': !(pod.securityContext?.fsGroup > 0),
      'no seccomp profile': pod.securityContext?.seccompProfile?.type !== 'RuntimeDefault',
      'a token is mounted': pod.automountServiceAccountToken !== false,
      'variables of Services': pod.enableServiceLinks !== false,
      'namespaces of the host': Boolean(pod.hostNetwork || pod.hostPID || pod.hostIPC),
      'several containers': containers.length !== 1,
    }),
    ...containers.flatMap(findContainerViolations),
    ...findStorageViolations(workload, containers[0]!),
    ...findDrainViolations(pod, containers[0]!),
    ...(isWorker(workload) ? findWorkerViolations(containers[0]!) : findServiceViolations(containers[0]!)),
    ...findEnvironmentViolations(containers[0]!),
  ];
}

function findContainerViolations(container: Container): string[] {
  const { securityContext = {}, resources = {}, image } = container;
  const { capabilities = {} } = securityContext;
  const limits = ['cpu', 'memory'].map((name) => [resources.requests?.[name], resources.limits?.[name]]);
  return broken({
    'may gain privileges': securityContext.allowPrivilegeEscalation !== false || securityContext.privileged === true,
    'a writable root file system': securityContext.readOnlyRootFilesystem !== true,
    'capabilities are kept': capabilities.drop?.join() !== 'ALL' || capabilities.add !== undefined,
    'no limits or requests': limits.flat().includes(undefined),
    'requests above limits': limits.some(([least, most]) => quantity(least ?? '0') > quantity(most ?? '0')),
    'no memory is reserved': limits[1]![0] !== limits[1]![1],
    'no version of the image': !/(?:@sha256:[\da-f]{64}|:[\w.-]+)$/.test(image) || image.endsWith(':latest'),
  });
}

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'];

function findServiceViolations(container: Container): string[] {
  const { ports = [] } = container;
  const probes = PROBES.map((name) => container[name]?.httpGet);
  const { apiKeysFile, allowAnonymous } = loadConfig(environmentOf(container));
  return broken({
    'other arguments': container['command'] !== undefined || container['args'] !== undefined,
    'other probes': probes.map((probe) => probe?.path).join() !== '/livez,/livez,/readyz',
    'probes of no port': probes.some((probe) => !ports.some(({ name }) => name === probe?.port)),
    'the service would not start': (apiKeysFile === undefined) !== allowAnonymous,
  });
}

function findWorkerViolations(container: Container): string[] {
  const { store, dataDir, s3Buckets, apiKeysFile } = loadConfig(environmentOf(container));
  return broken({
    'no worker is started': container['command'] !== undefined || container['args']?.join() !== 'worker',
    'a port of a worker': container.ports !== undefined,
    'a probe of a worker': PROBES.some((name) => container[name] !== undefined),
    'a worker has keys': apiKeysFile !== undefined,
    'the worker would not start': !isPostgres(store) || (dataDir === undefined && s3Buckets === undefined),
  });
}

function findStorageViolations({ spec }: Document, { volumeMounts, env }: Container): string[] {
  const volumes = (spec.template.spec.volumes ?? []) as Volume[];
  const claims = ((spec.volumeClaimTemplates ?? []) as Document[]).map(({ metadata }) => metadata.name);
  const names = [...volumes.map(({ name }) => name), ...claims].toSorted();
  const store = env.find(({ name }) => name === 'LOSSMETER_STORE')?.value;
  const ofStore = volumeMounts.find(({ mountPath }) => store === undefined || mountPath === dirname(store));
  const writable = volumeMounts.filter(({ readOnly }) => readOnly !== true);
  const isBounded = ({ emptyDir, secret, persistentVolumeClaim }: Volume): boolean =>
    emptyDir?.sizeLimit !== undefined || secret !== undefined || persistentVolumeClaim !== undefined;
  return broken({
    'volumes and mounts differ':
      names.join() !==
      volumeMounts
        .map(({ name }) => name)
        .toSorted()
        .join(),
    'a volume of another kind or without a limit': !volumes.every(isBounded),
    'the store is on no writable volume': ofStore === undefined || ofStore.readOnly === true,
    'more than the store is writable': writable.length !== 1,
  });
}

function findDrainViolations(pod: { terminationGracePeriodSeconds: number }, container: Container): string[] {
  const [command, seconds = '0'] = (container['lifecycle']?.preStop?.exec?.command ?? []) as string[];
  const { drainSeconds } = loadConfig(environmentOf(container));
  return broken({
    'another preStop': command !== undefined && command !== 'sleep',
    'the drain is cut off': pod.terminationGracePeriodSeconds <= Number(seconds) + drainSeconds + CLOSE_MS / 1000,
  });
}

function findEnvironmentViolations(container: Container): string[] {
  const names = container.env.map(({ name }) => name);
  const ours = names.filter((name) => /^(?:LOSSMETER|MLFLOW)_/.test(name));
  const unknown = ours.filter((name) => !VARIABLES.has(name)).map((name) => `no variable of the service: ${name}`);
  const repeated = names.filter((name, k) => names.indexOf(name) !== k).map((name) => `twice: ${name}`);
  return [...unknown, ...repeated];
}
