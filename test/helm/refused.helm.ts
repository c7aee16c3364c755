/** Values that the chart refuses, with the reason that Helm prints. */
import { expect, test } from 'vitest';
import { template } from './chart.ts';
import type { Values } from './chart.ts';

const POSTGRES = { kind: 'postgres', postgres: { existingSecret: 'db' } };

test.each<[string, Values, string]>([
  // Refused by the schema.
  ['two pods with SQLite', { replicas: 2 }, 'replicas: Must be less than or equal to 1'],
  ['autoscaling with SQLite', { autoscaling: { enabled: true } }, 'autoscaling.enabled does not match: false'],
  ['an unknown value', { replicaCount: 1 }, 'Additional property replicaCount is not allowed'],
  ['an unknown value within another', { image: { name: 'a' } }, 'image: Additional property name is not allowed'],
  [
    'another kind of store',
    { store: { kind: 'mysql' } },
    'store.kind must be one of the following: "sqlite", "postgres"',
  ],
  [
    'an address of another database',
    { store: { ...POSTGRES, postgres: { url: 'mysql://db' } } },
    'store.postgres.url: Does not match pattern',
  ],
  ['an unknown setting', { settings: { worker: 2 } }, 'settings: Additional property worker is not allowed'],
  ['a setting of another value', { settings: { port: 80 } }, 'settings: Additional property port is not allowed'],
  [
    'a secret among the settings',
    { settings: { webhookSecret: 'sixteen letters!' } },
    'Additional property webhookSecret',
  ],
  ['a setting out of its bounds', { settings: { workers: 0 } }, 'settings.workers: Must be greater than or equal to 1'],
  ['a setting of another type', { settings: { workers: '2' } }, 'settings.workers: Invalid type. Expected: integer'],
  ['a choice that a setting does not have', { settings: { kernel: 'fast' } }, 'settings.kernel must be one of'],
  [
    'a secret setting that is none',
    { secretSettings: { logLevel: { name: 'a', key: 'b' } } },
    'Additional property logLevel',
  ],
  ['a secret setting without its key', { secretSettings: { webhookSecret: { name: 'a' } } }, 'key is required'],
  ['no limit of memory', { resources: { limits: { memory: null } } }, 'resources.limits: memory is required'],
  ['a setting that a value of workers is for', { settings: { workerTasks: 3 } }, 'Additional property workerTasks'],
  ['a worker without tasks', { worker: { tasks: 0 } }, 'worker.tasks: Must be greater than or equal to 1'],
  ['an unknown value of workers', { worker: { autoscaling: true } }, 'worker: Additional property autoscaling'],
  ['a port of root', { port: 80 }, 'port: Must be greater than or equal to 1024'],
  ['a digest that is none', { image: { digest: 'sha256:1' } }, 'image.digest: Does not match pattern'],
  [
    'no pod of a disruption budget',
    { podDisruptionBudget: { maxUnavailable: 0 } },
    'podDisruptionBudget.maxUnavailable',
  ],

  // Refused by the templates.
  ['the tag latest', { image: { tag: 'latest' } }, 'image.tag is latest'],
  ['PostgreSQL without an address', { store: { kind: 'postgres' } }, 'set store.postgres.existingSecret'],
  [
    'two addresses of PostgreSQL',
    { store: { kind: 'postgres', postgres: { existingSecret: 'db', url: 'postgres://db' } } },
    'store.postgres.existingSecret and store.postgres.url are both set',
  ],
  ['an address of PostgreSQL with SQLite', { store: { ...POSTGRES, kind: 'sqlite' } }, 'store.kind is sqlite'],
  ['two volumes', { store: { sqlite: { ephemeral: true, existingClaim: 'a' } } }, 'existingClaim are both set'],
  [
    'keys and anonymous access',
    { access: { anonymous: true, keys: { existingSecret: 'a' } } },
    'access.anonymous is true, and access.keys names keys',
  ],
  [
    'two files of keys',
    { access: { keys: { existingSecret: 'a', content: '{}' } } },
    'access.keys.content are both set',
  ],
  ['a variable that a setting is for', { extraEnv: [{ name: 'LOSSMETER_PORT' }] }, 'extraEnv has LOSSMETER_PORT'],
  [
    'two addresses of MLflow',
    {
      settings: { mlflowTrackingUri: 'https://mlflow' },
      secretSettings: { mlflowTrackingUri: { name: 'a', key: 'b' } },
      networkPolicy: { enabled: false },
    },
    'mlflowTrackingUri is in settings and in secretSettings',
  ],
  [
    'an address of MLflow that the network policy does not open',
    { secretSettings: { mlflowTrackingUri: { name: 'a', key: 'b' } } },
    'open it in networkPolicy.egress',
  ],
  [
    'an Ingress and an HTTPRoute',
    { ingress: { enabled: true, host: 'a' }, httpRoute: { enabled: true, parentRefs: [{ name: 'a' }] } },
    'ingress.enabled and httpRoute.enabled are both true',
  ],
  ['an Ingress without a host', { ingress: { enabled: true } }, 'without ingress.host'],
  ['an HTTPRoute without a gateway', { httpRoute: { enabled: true } }, 'without a gateway'],
  [
    'a maximum below the minimum',
    { store: POSTGRES, autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 2 } },
    'autoscaling.maxReplicas is 2, below autoscaling.minReplicas, 3',
  ],
  [
    'workers with SQLite',
    { worker: { enabled: true }, data: { existingClaim: 'a' } },
    'worker.enabled is true, and store.kind is sqlite',
  ],
  [
    'workers without files',
    { store: POSTGRES, worker: { enabled: true } },
    'set data.existingClaim or settings.s3Buckets',
  ],
  [
    'alerts without metrics',
    { settings: { metrics: 'off' }, prometheusRule: { enabled: true } },
    'settings.metrics is off',
  ],
  ['monitoring without a key', { serviceMonitor: { enabled: true } }, 'needs a key with the scope read'],
])('%s', async (_, values, reason) => {
  const { status, stdout, stderr } = await template(values);
  expect(status).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toContain(reason);
});
