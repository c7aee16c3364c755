/** Checks that the policies find violations. */
import { beforeAll, describe, expect, test } from 'vitest';
import { isWorker, render, validate, workerOf, workloadOf } from './chart.ts';
import type { Document, Values } from './chart.ts';
import { containerIn, containerOf, findPodViolations } from './pod-policy.ts';
import type { Container } from './pod-policy.ts';
import { findForbidden } from './pod-security.ts';
import { findBrokenReferences } from './references.ts';

let sqlite: Document[] = [];
let postgres: Document[] = [];

beforeAll(async () => {
  const all: Values = {
    store: { kind: 'postgres', postgres: { url: 'postgres://db/loss' } },
    autoscaling: { enabled: true },
    worker: { enabled: true },
    data: { existingClaim: 'checkpoints' },
    ingress: { enabled: true, host: 'loss.example.org' },
    serviceMonitor: { enabled: true, keySecret: { name: 'scrape' } },
  };
  const { documents } = validate({ sqlite: await render({}), postgres: await render(all) }, ['1.33']);
  sqlite = documents['sqlite']!;
  postgres = documents['postgres']!;
});

/** Returns a changed copy of documents. */
function changed(documents: readonly Document[], change: (copy: Document[]) => void): Document[] {
  const copy = structuredClone(documents) as Document[];
  change(copy);
  return copy;
}

test('nothing is found in what Helm renders', () => {
  for (const documents of [sqlite, postgres]) {
    expect([...findPodViolations(documents), ...findBrokenReferences(documents)]).toEqual([]);
  }
});

// oxlint-disable-next-line typescript/no-explicit-any
type Pod = any;

const variable = ({ env }: Container, wanted: string): Container['env'][number] =>
  env.find(({ name }) => name === wanted)!;

function remove(container: Container, removed: string): void {
  container.env = container.env.filter(({ name }) => name !== removed);
}

describe('a pod that breaks a rule is found:', () => {
  test.each<[string, (pod: Pod, container: Container) => void]>([
    ['runs as root', (pod) => delete pod.securityContext.runAsNonRoot],
    ['runs as root', (pod) => (pod.securityContext.runAsUser = 0)],
    ['no group for its volumes', (pod) => delete pod.securityContext.fsGroup],
    ['no seccomp profile', (pod) => (pod.securityContext.seccompProfile.type = 'Unconfined')],
    ['a token is mounted', (pod) => delete pod.automountServiceAccountToken],
    ['variables of Services', (pod) => delete pod.enableServiceLinks],
    ['namespaces of the host', (pod) => (pod.hostNetwork = true)],
    ['several containers', (pod) => (pod.initContainers = [structuredClone(pod.containers[0])])],
    ['may gain privileges', (_, container) => (container['securityContext'].privileged = true)],
    ['may gain privileges', (_, container) => delete container['securityContext'].allowPrivilegeEscalation],
    ['a writable root file system', (_, container) => delete container['securityContext'].readOnlyRootFilesystem],
    ['capabilities are kept', (_, container) => delete container['securityContext'].capabilities],
    ['capabilities are kept', (_, container) => (container['securityContext'].capabilities.add = ['SYS_ADMIN'])],
    ['no limits or requests', (_, container) => delete container['resources'].limits.cpu],
    ['requests above limits', (_, container) => (container['resources'].requests.cpu = '3500m')],
    ['no memory is reserved', (_, container) => (container['resources'].requests.memory = '1Gi')],
    ['no version of the image', (_, container) => (container.image = 'lossmeter')],
    ['no version of the image', (_, container) => (container.image = 'lossmeter:latest')],
    ['no version of the image', (_, container) => (container.image = 'localhost:5000/lossmeter')],
    ['other probes', (_, container) => delete container['startupProbe']],
    ['other probes', (_, container) => (container['livenessProbe'].httpGet.path = '/readyz')],
    ['probes of no port', (_, container) => (container['readinessProbe'].httpGet.port = 'https')],
    ['volumes and mounts differ', (_, container) => container.volumeMounts.pop()],
    [
      'a volume of another kind or without a limit',
      (pod) => (pod.volumes[0] = { name: 'keys', hostPath: { path: '/' } }),
    ],
    ['a volume of another kind or without a limit', (pod) => (pod.volumes[0] = { name: 'keys', emptyDir: {} })],
    ['the store is on no writable volume', (_, container) => (container.volumeMounts[0]!.mountPath = '/var/lib')],
    ['more than the store is writable', (_, container) => delete container.volumeMounts[1]!.readOnly],
    ['another preStop', (_, container) => (container['lifecycle'].preStop.exec.command = ['true'])],
    ['the drain is cut off', (pod) => (pod.terminationGracePeriodSeconds = 50)],
    ['the drain is cut off', (_, container) => (variable(container, 'LOSSMETER_DRAIN_SECONDS').value = '35')],
    [
      'no variable of the service: LOSSMETER_WROKERS',
      (_, container) => container.env.push({ name: 'LOSSMETER_WROKERS' }),
    ],
    ['twice: LOSSMETER_PORT', (_, container) => container.env.push({ name: 'LOSSMETER_PORT', value: '8080' })],
    ['the service would not start', (_, container) => remove(container, 'LOSSMETER_API_KEYS_FILE')],
    ['other arguments', (_, container) => (container['args'] = ['worker'])],
  ])('%s', (rule, breakIt) => {
    const documents = changed(sqlite, (copy) => {
      breakIt(workloadOf(copy).spec.template.spec, containerOf(copy));
    });
    expect(findPodViolations(documents)).toContain(rule);
  });

  test.each<[string, (pod: Pod, container: Container) => void]>([
    ['runs as root', (pod) => delete pod.securityContext.runAsNonRoot],
    ['a writable root file system', (_, container) => delete container['securityContext'].readOnlyRootFilesystem],
    ['no limits or requests', (_, container) => delete container['resources'].limits.memory],
    ['the drain is cut off', (pod) => (pod.terminationGracePeriodSeconds = 40)],
    ['no worker is started', (_, container) => delete container['args']],
    ['a port of a worker', (_, container) => (container.ports = [{ name: 'http', containerPort: 8080 }])],
    ['a probe of a worker', (_, container) => (container['livenessProbe'] = { exec: { command: ['true'] } })],
    ['a worker has keys', (_, container) => container.env.push({ name: 'LOSSMETER_API_KEYS_FILE', value: '/keys' })],
    ['the worker would not start', (_, container) => remove(container, 'LOSSMETER_DATA_DIR')],
    ['the worker would not start', (_, container) => (variable(container, 'LOSSMETER_STORE').value = '/history.db')],
  ])('%s, of a worker', (rule, breakIt) => {
    const documents = changed(postgres, (copy) => {
      breakIt(workerOf(copy).spec.template.spec, containerIn(workerOf(copy)));
    });
    expect(findPodViolations(documents)).toContain(rule);
  });

  test('a value that the service refuses', () => {
    const documents = changed(sqlite, (copy) => {
      containerOf(copy).env.push({ name: 'LOSSMETER_MAX_BODY_BYTES', value: '1.5e3.1' });
    });
    expect(() => findPodViolations(documents)).toThrow('LOSSMETER_MAX_BODY_BYTES must be an integer');
  });
});

test('the network policies open the ports of PostgreSQL and of object storage, and for workers no others', async () => {
  const portsOf = async (extraEnv: object[]): Promise<number[][]> => {
    const text = await render({
      store: { kind: 'postgres', postgres: { existingSecret: 'db', port: 6432 } },
      settings: { s3Buckets: 'checkpoints', webhookUrl: 'https://hooks.example.org:8443/loss' },
      worker: { enabled: true },
      extraEnv,
    });
    const policies = validate({ text }, []).documents['text']!.filter(({ kind }) => kind === 'NetworkPolicy');
    const rules = (policy: Document): { ports: { port: number }[] }[] => policy.spec.egress;
    return policies.map((policy) => rules(policy).flatMap(({ ports }) => ports.map(({ port }) => port)));
  };
  expect(await portsOf([])).toEqual([
    [53, 53, 6432, 8443, 443],
    [53, 53, 6432, 443],
  ]);
  expect(await portsOf([{ name: 'AWS_ENDPOINT_URL_S3', value: 'http://storage:9000' }])).toEqual([
    [53, 53, 6432, 8443, 9000],
    [53, 53, 6432, 9000],
  ]);
});

test('pods that the restricted Pod Security Standard forbids are found', () => {
  const breakEach: ((pod: Pod) => void)[] = [
    () => undefined,
    (pod) => delete pod.securityContext.runAsNonRoot,
    (pod) => delete pod.containers[0].securityContext.capabilities,
    (pod) => (pod.volumes[0] = { name: 'keys', hostPath: { path: '/' } }),
  ];
  const sets = breakEach.map((breakIt) =>
    changed(sqlite, (copy) => {
      breakIt(workloadOf(copy).spec.template.spec);
    }),
  );
  const ofWorkers = changed(postgres, (copy) => {
    delete workerOf(copy).spec.template.spec.securityContext.runAsNonRoot;
  });
  expect(findForbidden([...sets, postgres, ofWorkers])).toEqual([
    '',
    expect.stringContaining('runAsNonRoot'),
    expect.stringContaining('unrestricted capabilities'),
    expect.stringContaining('hostPath'),
    '',
    expect.stringContaining('runAsNonRoot'),
  ]);
});

describe('a reference that leads nowhere is found:', () => {
  const of = (documents: Document[], wanted: string): Document =>
    documents.find((document) => document.kind === wanted && !isWorker(document))!;
  const ofWorkers = (documents: Document[], wanted: string): Document =>
    documents.find((document) => document.kind === wanted && isWorker(document))!;
  /** Gives the pods of workers further labels. */
  const label = (documents: Document[], labels: object): object =>
    Object.assign(workerOf(documents).spec.template.metadata.labels as object, labels);

  test.each<[string, (documents: Document[]) => void]>([
    ['Deployment leads nowhere', (all) => (of(all, 'Deployment').spec.selector.matchLabels = {})],
    ['Deployment leads nowhere', (all) => (of(all, 'Deployment').spec.template.metadata.labels = {})],
    ['Service leads nowhere', (all) => (of(all, 'Service').spec.selector.tier = 'other')],
    ['Service leads nowhere', (all) => (of(all, 'Service').spec.ports[0].targetPort = 'https')],
    ['PodDisruptionBudget leads nowhere', (all) => delete of(all, 'PodDisruptionBudget').spec.selector.matchLabels],
    ['NetworkPolicy leads nowhere', (all) => (of(all, 'NetworkPolicy').spec.podSelector = {})],
    ['NetworkPolicy leads nowhere', (all) => (of(all, 'NetworkPolicy').spec.ingress[0].ports[0].port = 'https')],
    ['Service leads nowhere', (all) => label(all, of(all, 'Service').spec.selector)],
    [
      'PodDisruptionBudget leads nowhere',
      (all) => label(all, of(all, 'PodDisruptionBudget').spec.selector.matchLabels),
    ],
    ['NetworkPolicy leads nowhere', (all) => ofWorkers(all, 'NetworkPolicy').spec.ingress.push({})],
    ['NetworkPolicy leads nowhere', (all) => (ofWorkers(all, 'NetworkPolicy').spec.policyTypes = ['Egress'])],
    ['Deployment leads nowhere', (all) => (workerOf(all).spec.selector = of(all, 'Deployment').spec.selector)],
    ['ServiceAccount leads nowhere', (all) => (workerOf(all).spec.template.spec.serviceAccountName = 'other')],
    ['HorizontalPodAutoscaler leads nowhere', (all) => (of(all, 'Deployment').metadata.name = 'other')],
    ['HorizontalPodAutoscaler leads nowhere', (all) => (of(all, 'Deployment').spec.replicas = 1)],
    ['Ingress leads nowhere', (all) => (of(all, 'Service').metadata.name = 'other')],
    ['ServiceMonitor leads nowhere', (all) => (of(all, 'Service').metadata.labels['app.kubernetes.io/name'] = 'loss')],
    ['ServiceAccount leads nowhere', (all) => (of(all, 'ServiceAccount').metadata.name = 'other')],
    ['Secret leads nowhere', (all) => (of(all, 'Secret').metadata.name = 'other')],
    ['Secret is in another namespace', (all) => (of(all, 'Secret').metadata.namespace = 'other')],
    ['the name of Service is too long', (all) => (of(all, 'Service').metadata.name = 'a'.repeat(64))],
    ['Service trainers-lossmeter is there twice', (all) => all.push(of(all, 'Service'))],
  ])('%s', (message, breakIt) => {
    expect(findBrokenReferences(changed(postgres, breakIt))).toContain(message);
  });
});
