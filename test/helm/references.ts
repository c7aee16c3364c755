/** Rules for references between the objects of the chart. */
import { isWorker, workloadOf, workloadsOf } from './chart.ts';
import type { Document } from './chart.ts';

type Labels = Readonly<Record<string, string>>;

interface Port {
  name: string;
  port: number;
  targetPort: string;
}

/** True when a selector is not empty, and the labels match all of it. */
const selects = (selector: Labels | undefined, labels: Labels): boolean =>
  selector !== undefined &&
  Object.keys(selector).length > 0 &&
  Object.entries(selector).every(([name, value]) => labels[name] === value);

const labelsOfPods = ({ spec }: Document): Labels => spec.template.metadata.labels as Labels;

/** Selectors of a Deployment: of its pods, and of the topology spread constraints. */
function selectorsOf({ spec }: Document): Labels[] {
  const spread = (spec.template.spec.topologySpreadConstraints ?? []) as { labelSelector: { matchLabels: Labels } }[];
  return [spec.selector.matchLabels, ...spread.map(({ labelSelector }) => labelSelector.matchLabels)] as Labels[];
}

/** @returns a message for each reference without a target */
export function findBrokenReferences(documents: readonly Document[]): string[] {
  const workload = workloadOf(documents);
  const { template, serviceName } = workload.spec;
  const pods = template.metadata.labels as Labels;
  const workloads = workloadsOf(documents);
  const workers = workloads.filter(isWorker).map(labelsOfPods);
  const selectsService = (selector?: Labels): boolean =>
    selects(selector, pods) && !workers.some((labels) => selects(selector, labels));
  const selectsWorkers = (selector?: Labels): boolean =>
    !selects(selector, pods) && workers.some((labels) => selects(selector, labels));
  const podPorts = new Set((template.spec.containers[0].ports as { name: string }[]).map(({ name }) => name));
  const service = documents.find(({ kind }) => kind === 'Service')!;
  const servicePorts = service.spec.ports as Port[];
  const { name } = service.metadata;

  const isService = (backend: { name: string; port: number | { name: string } }): boolean =>
    backend.name === name &&
    servicePorts.some(({ name: ofPort, port }) =>
      typeof backend.port === 'number' ? backend.port === port : backend.port.name === ofPort,
    );

  const check: Record<string, (document: Document) => boolean> = {
    Deployment: (deployment) => {
      const selectsOwn = isWorker(deployment) ? selectsWorkers : selectsService;
      return selectorsOf(deployment).every((selector) => selectsOwn(selector));
    },
    StatefulSet: ({ spec }) => selectsService(spec.selector.matchLabels) && serviceName === name,
    Service: ({ spec }) =>
      selectsService(spec.selector) && servicePorts.every(({ targetPort }) => podPorts.has(targetPort)),
    PodDisruptionBudget: ({ spec }) => selectsService(spec.selector.matchLabels),
    NetworkPolicy: ({ spec }) =>
      selectsWorkers(spec.podSelector.matchLabels)
        ? spec.policyTypes.includes('Ingress') && spec.ingress.length === 0
        : selectsService(spec.podSelector.matchLabels) &&
          (spec.ingress as { ports: { port: string }[] }[]).every(({ ports }) =>
            ports.every(({ port }) => podPorts.has(port)),
          ),
    HorizontalPodAutoscaler: ({ spec }) =>
      spec.scaleTargetRef.kind === workload.kind &&
      spec.scaleTargetRef.name === workload.metadata.name &&
      spec.maxReplicas >= spec.minReplicas &&
      workload.spec.replicas === undefined,
    Ingress: ({ spec }) => isService(spec.rules[0].http.paths[0].backend.service),
    HTTPRoute: ({ spec }) => isService(spec.rules[0].backendRefs[0]),
    ServiceMonitor: ({ spec }) =>
      selects(spec.selector.matchLabels, service.metadata.labels) &&
      // The alerts use this name of the job.
      service.metadata.labels[spec.jobLabel] === 'lossmeter' &&
      servicePorts.some(({ name: ofPort }) => ofPort === spec.endpoints[0].port),
    ServiceAccount: ({ metadata }) =>
      workloads.every(({ spec }) => spec.template.spec.serviceAccountName === metadata.name),
    PrometheusRule: () => true,
    ConfigMap: () => true,
    Secret: ({ metadata }) => JSON.stringify(template.spec).includes(`"${metadata.name}"`),
  };

  return [
    ...documents
      .filter((document) => check[document.kind]?.(document) !== true)
      .map(({ kind }) => `${kind} leads nowhere`),
    ...documents
      .filter(({ metadata }) => metadata.namespace !== workload.metadata.namespace)
      .map(({ kind }) => `${kind} is in another namespace`),
    ...documents
      .filter(({ metadata }) => metadata.name.length > 63)
      .map(({ kind }) => `the name of ${kind} is too long`),
    ...repeated(documents.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).map(
      (object) => `${object} is there twice`,
    ),
  ];
}

const repeated = (names: readonly string[]): string[] => names.filter((name, k) => names.indexOf(name) !== k);
