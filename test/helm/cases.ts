/** Values for rendering the chart: the defaults, each option, each pair of options, and large combinations. */
import type { Values } from './chart.ts';

interface Option {
  readonly values: Values;
  /** Group of options that exclude each other. */
  readonly group?: string;
  /** Options of which at least one is required; the default is the first. */
  readonly needs?: readonly string[];
}

export interface Case {
  readonly name: string;
  readonly values: Values;
}

const POSTGRES = ['PostgreSQL by a Secret', 'PostgreSQL by its address'];

/** A key file with a hash that belongs to no key. */
const KEY_FILE = JSON.stringify({
  keys: [{ name: 'trainer', scopes: ['record'], sha256: '0'.repeat(64), created: '2026-01-01T00:00:00.000Z' }],
});

const OPTIONS: Readonly<Record<string, Option>> = {
  'anonymous access': { group: 'access', values: { access: { anonymous: true } } },
  'keys of a Secret': {
    group: 'access',
    values: { access: { keys: { existingSecret: 'team', secretKey: 'k.json' } } },
  },
  'keys of the chart': { group: 'access', values: { access: { keys: { content: KEY_FILE } } } },

  [POSTGRES[0]!]: { group: 'store', values: { store: { kind: 'postgres', postgres: { existingSecret: 'db' } } } },
  [POSTGRES[1]!]: {
    group: 'store',
    values: { store: { kind: 'postgres', postgres: { url: 'postgresql://u:p@db:6432/loss', port: 6432 } } },
  },
  'a class of storage': { group: 'store', values: { store: { sqlite: { size: '1.5Ti', storageClass: 'fast' } } } },
  'a volume that exists': { group: 'store', values: { store: { sqlite: { existingClaim: 'history' } } } },
  'no volume': { group: 'store', values: { store: { sqlite: { ephemeral: true, size: '1Gi' } } } },

  'three pods': { group: 'pods', needs: POSTGRES, values: { replicas: 3 } },
  'no pods': { group: 'pods', values: { replicas: 0 } },
  autoscaling: { group: 'pods', needs: POSTGRES, values: { autoscaling: { enabled: true } } },
  'autoscaling by the queue': {
    group: 'pods',
    needs: POSTGRES,
    values: { autoscaling: { enabled: true, maxReplicas: 20, queue: { enabled: true, targetSeconds: '2' } } },
  },

  'an Ingress': { group: 'way in', values: { ingress: { enabled: true, host: 'loss.example.org' } } },
  'an Ingress with TLS': {
    group: 'way in',
    values: {
      ingress: {
        enabled: true,
        className: 'nginx',
        host: 'loss.example.org',
        tlsSecret: 'certificate',
        annotations: { 'nginx.ingress.kubernetes.io/proxy-body-size': '0' },
      },
    },
  },
  'an HTTPRoute': {
    group: 'way in',
    values: {
      httpRoute: {
        enabled: true,
        parentRefs: [{ name: 'public', namespace: 'gateways', sectionName: 'https' }],
        hostnames: ['loss.example.org', '*.loss.example.org'],
        annotations: { team: 'ml' },
      },
    },
  },
  'an HTTPRoute without a timeout': {
    group: 'way in',
    values: { httpRoute: { enabled: true, parentRefs: [{ name: 'public' }], requestTimeout: '' } },
  },

  'no disruption budget': { group: 'budget', values: { podDisruptionBudget: { enabled: false } } },
  'a disruption budget in per cent': { group: 'budget', values: { podDisruptionBudget: { maxUnavailable: '30%' } } },
  'no network policy': { group: 'network', values: { networkPolicy: { enabled: false } } },
  'a network policy with peers': {
    group: 'network',
    values: {
      networkPolicy: {
        ingressFrom: [{ namespaceSelector: { matchLabels: { team: 'ml' } } }, { ipBlock: { cidr: '10.0.0.0/8' } }],
        egress: [{ to: [{ ipBlock: { cidr: '192.0.2.0/24' } }], ports: [{ port: 443 }] }],
      },
    },
  },

  'monitoring with a key': {
    group: 'monitor',
    values: { serviceMonitor: { enabled: true, labels: { release: 'prom' }, keySecret: { name: 'scrape' } } },
  },
  'monitoring of open metrics': {
    group: 'monitor',
    values: { serviceMonitor: { enabled: true, interval: '1m' }, settings: { metrics: 'open' } },
  },
  alerts: { values: { prometheusRule: { enabled: true, labels: { release: 'prom' } } } },
  'a dashboard': { values: { dashboard: { enabled: true, annotations: { grafana_folder: 'Training' } } } },

  settings: {
    values: {
      settings: {
        kernel: 'strict',
        logLevel: 'warn',
        maxBodyBytes: 2 ** 40,
        maxElements: Number.MAX_SAFE_INTEGER,
        minBytesPerSecond: 0,
        corsOrigins: 'https://dash.example.org',
        webhookUrl: 'https://hooks.example.org:8443/loss',
        mlflowExperimentName: 'a "name"',
      },
    },
  },
  'settings from Secrets': {
    group: 'network',
    values: {
      secretSettings: {
        webhookSecret: { name: 'webhook', key: 'secret' },
        mlflowTrackingUri: { name: 'mlflow', key: 'uri' },
        mlflowTrackingToken: { name: 'mlflow', key: 'token' },
      },
      networkPolicy: { egress: [{ ports: [{ port: 5000, protocol: 'TCP' }] }] },
    },
  },
  'environment of others': {
    values: {
      extraEnv: [
        { name: 'TZ', value: 'UTC' },
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      ],
    },
  },
  'a data folder': { values: { data: { existingClaim: 'checkpoints' } } },
  'workers of a data folder': {
    group: 'workers',
    needs: POSTGRES,
    values: { worker: { enabled: true }, data: { existingClaim: 'checkpoints' } },
  },
  'workers of object storage': {
    group: 'workers',
    needs: POSTGRES,
    values: {
      worker: {
        enabled: true,
        replicas: 3,
        tasks: 4,
        resources: { requests: { cpu: '1' }, limits: { cpu: '1' } },
        nodeSelector: { pool: 'batch' },
        tolerations: [{ key: 'batch', operator: 'Exists', effect: 'NoSchedule' }],
        affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
      },
      settings: { s3Buckets: 'checkpoints', s3PathStyle: true },
    },
  },
  'an image by its digest': {
    values: {
      image: {
        repository: 'registry.example.org/ml/lossmeter',
        digest: `sha256:${'a'.repeat(64)}`,
        pullPolicy: 'Always',
        pullSecrets: [{ name: 'registry' }],
      },
    },
  },
  'an image by its tag': { values: { image: { tag: '1.2.3-rc.1' } } },
  'a long drain': { group: 'drain', values: { drain: { preStopSeconds: 25, seconds: 3600 }, startupSeconds: 3601 } },
  'no drain': { group: 'drain', values: { drain: { preStopSeconds: 0, seconds: 0 }, startupSeconds: 11 } },
  placement: {
    values: {
      podLabels: { team: 'ml', 'app.kubernetes.io/name': 'other' },
      podAnnotations: { 'example.org/note': 'true' },
      priorityClassName: 'training',
      nodeSelector: { 'kubernetes.io/arch': 'amd64' },
      tolerations: [{ key: 'cpu-only', operator: 'Exists', effect: 'NoSchedule' }],
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'pool', operator: 'In', values: ['cpu'] }] }],
          },
        },
      },
      spreadOverNodes: false,
    },
  },
  'an account that exists': { group: 'account', values: { serviceAccount: { create: false, name: 'trainer' } } },
  'the default account': { group: 'account', values: { serviceAccount: { create: false } } },
  'an account with annotations': {
    group: 'account',
    values: { serviceAccount: { name: 'loss', annotations: { 'example.org/role': 'reader' } } },
  },
  'a port of the nodes': { group: 'service', values: { service: { type: 'NodePort', port: 8443 } } },
  'a load balancer': {
    group: 'service',
    values: { service: { type: 'LoadBalancer', annotations: { 'example.org/internal': 'true' } } },
  },
  'IPv6 on another port': { values: { listenOn: '::', port: 9090 } },
  'a small pod': {
    values: {
      settings: { workers: 1, maxBytesInFlight: 2 ** 28 },
      resources: { requests: { cpu: '500m', memory: '768Mi' }, limits: { cpu: '2', memory: '768Mi' } },
    },
  },
  'a name': { values: { fullnameOverride: 'loss' } },
};

const NAMES = Object.keys(OPTIONS);

/** Merges nested objects. Other values of the second replace the values of the first. */
function merge(first: Values, second: Values): Values {
  const isObject = (value: unknown): value is Values =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const merged: Record<string, unknown> = { ...first };
  for (const [key, value] of Object.entries(second)) {
    const present = merged[key];
    merged[key] = isObject(present) && isObject(value) ? merge(present, value) : value;
  }
  return merged;
}

/** Case of some options and the options that they need; undefined when they exclude each other. */
function combine(chosen: readonly string[]): Case | undefined {
  const names = new Set(chosen);
  for (const name of chosen) {
    const { needs = [] } = OPTIONS[name]!;
    if (needs.length > 0 && !needs.some((other) => names.has(other))) names.add(needs[0]!);
  }
  const options = [...names].map((name) => OPTIONS[name]!);
  const groups = options.map(({ group }) => group).filter((group) => group !== undefined);
  if (new Set(groups).size < groups.length) return undefined;
  return { name: [...names].join(', '), values: options.map(({ values }) => values).reduce(merge, {}) };
}

/** Case that adds every compatible option to the chosen ones. */
function combineAll(...chosen: readonly string[]): Case {
  const all = [...chosen];
  for (const name of NAMES) if (!all.includes(name) && combine([...all, name]) !== undefined) all.push(name);
  return { ...combine(all)!, name: `all that goes with ${chosen.join(', ')}` };
}

const PAIRS = NAMES.flatMap((first, k) => NAMES.slice(k + 1).map((second) => [first, second]));

const all = [
  { name: 'the defaults', values: {} },
  ...NAMES.map((name) => combine([name])!),
  ...PAIRS.map(combine).filter((pair) => pair !== undefined),
  combineAll('a class of storage', 'settings from Secrets'),
  combineAll('a volume that exists', 'keys of a Secret', 'monitoring of open metrics'),
  combineAll('autoscaling by the queue', 'anonymous access'),
  combineAll('workers of object storage', POSTGRES[0]!, 'an Ingress with TLS'),
  combineAll(
    POSTGRES[1]!,
    'workers of a data folder',
    'keys of the chart',
    'an HTTPRoute',
    'monitoring with a key',
    'three pods',
  ),
];

/** Cases without duplicates: a pair may equal an option with the option that it needs. */
export const CASES: readonly Case[] = [...new Map(all.map((one) => [one.name, one])).values()];
