/**
 * Imports run one way. Each layer may import itself and what stands below it; the order is that of docs/architecture.md.
 * test/architecture.test.ts plants violations to prove that these rules see.
 */
const LAYERS = [
  ['routes', '^routes/'],
  ['main', '^src/(main\\.ts|listen\\.ts|shutdown\\.ts|cli/)'],
  ['app', '^src/(app\\.ts|plugins/|contract/(open-inference|inference-call|operation)\\.ts|telemetry/)'],
  ['jobs', '^src/jobs/'],
  ['runs', '^src/runs/'],
  ['inference', '^src/inference/'],
  ['pipeline', '^src/pipeline/'],
  ['evaluations', '^src/evaluations/'],
  ['batch', '^src/batch/'],
  ['files', '^src/files/'],
  // Two of its files know the model of the Open Inference Protocol.
  ['contract', '^src/contract/(?!(open-inference|inference-call|operation)\\.ts)'],
  ['wire', '^src/wire/'],
  ['engine', '^src/engine/'],
  ['comparison', '^src/comparison/'],
  ['loss', '^src/loss/'],
  ['statistics', '^src/statistics/'],
  ['diagnostics', '^src/diagnostics/'],
  ['kernels', '^kernels/'],
  ['keys', '^src/keys/'],
  // Reads files of other tools. It knows the wire form of a recording, and nothing of the service.
  ['import', '^src/import/'],
  [
    'base',
    '^src/(tensor/|summation\\.ts|exact-sum\\.ts|map-values\\.ts|option-reader\\.ts|errors\\.ts|lost-threads\\.ts|config\\.ts|environment\\.ts|suggestion\\.ts|schema-errors\\.ts|steps\\.ts|waiting\\.ts|task-queue\\.ts|threads\\.ts|tracing\\.ts|version\\.ts)',
  ],
];

/** Neither of these may import the other, though one is listed first. */
const STRANGERS = [
  ['wire', 'engine'],
  ['wire', 'comparison'],
  ['wire', 'loss'],
  ['wire', 'diagnostics'],
  ['wire', 'kernels'],
  ['routes', 'main'],
  ['main', 'routes'],
];

const pathOf = (layer) => LAYERS.find(([name]) => name === layer)[1];

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...LAYERS.slice(1).map(([name, from], k) => ({
      name: `${name}-imports-upwards`,
      severity: 'error',
      from: { path: from },
      to: { path: LAYERS.slice(0, k + 1).map(([, path]) => path) },
    })),
    ...STRANGERS.map(([from, to]) => ({
      name: `${from}-does-not-know-${to}`,
      severity: 'error',
      from: { path: pathOf(from) },
      to: { path: pathOf(to) },
    })),
    ...[
      ['^src/wire/(?!body/|json-text/|tensors/)([^/]+)/', '^src/wire/$1/'],
      ['^src/evaluations/([^/]+)/', '^src/evaluations/$1/'],
    ].map(([sibling, itself]) => ({
      name: 'siblings-are-strangers',
      severity: 'error',
      from: { path: sibling },
      to: { path: sibling, pathNot: itself },
    })),
    {
      // Without tracing nothing of OpenTelemetry is loaded: main.ts imports the folder where it is on.
      name: 'opentelemetry-is-loaded-by-tracing-alone',
      severity: 'error',
      from: { path: '^(src|routes|kernels)/', pathNot: '^src/telemetry/tracing/' },
      to: { path: '(@opentelemetry/|@fastify/otel)', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'tracing-is-loaded-when-it-is-on',
      severity: 'error',
      from: { path: '^(src|routes|kernels)/', pathNot: '^src/telemetry/tracing/' },
      to: {
        path: '^src/telemetry/tracing/',
        pathNot: '^src/telemetry/tracing/settings',
        dynamic: false,
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      // By its own name, TypeBox is 679 modules.
      name: 'typebox-is-one-module',
      severity: 'error',
      from: { path: '^(src|routes|kernels)/' },
      to: { path: 'node_modules/typebox/' },
    },
    {
      name: 'no-tests-in-sources',
      severity: 'error',
      from: { path: '^(src|routes|kernels)/' },
      to: { path: '^(test|bench|openapi)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
