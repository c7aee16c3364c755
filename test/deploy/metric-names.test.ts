/** Checks that the dashboard, the alerts and the questions of docs/metrics.md query metrics that the service has. */
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { Exposition } from '../exposition.ts';
import { Service } from '../service.ts';
import { readSelectors } from './promql.ts';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

/** An expression, and the labels of its result that are shown. */
interface Use {
  where: string;
  expression: string;
  shown?: string[];
}

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  targets?: { expr: string; legendFormat: string }[];
  fieldConfig?: { defaults: { unit: string } };
  gridPos: { x: number; y: number; w: number; h: number };
}

const dashboard = JSON.parse(read('deploy/grafana/lossmeter.json')) as {
  panels: Panel[];
  annotations: { list: { name: string; target?: { expr: string }; titleFormat?: string; textFormat?: string }[] };
  templating: { list: { name: string; type: string; definition?: string }[] };
};
const rules = read('deploy/prometheus/alerts.yml')
  .split(/^(?= {6}- alert:)/m)
  .slice(1);
const page = read('docs/metrics.md');

const nameOf = (rule: string): string => /alert: (\w+)/.exec(rule)![1]!;
const shownIn = (text: string): string[] => [...text.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, label]) => label!);

function usesOfDashboard(): Use[] {
  const ofPanels = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ where: title, expression: expr, shown: shownIn(legendFormat) })),
  );
  const ofAnnotations = dashboard.annotations.list
    .filter(({ target }) => target !== undefined)
    .map(({ name, target, titleFormat = '', textFormat = '' }) => ({
      where: name,
      expression: target!.expr,
      shown: shownIn(titleFormat + textFormat),
    }));
  const ofVariables = dashboard.templating.list
    .filter(({ type }) => type === 'query')
    .map(({ name, definition = '' }) => {
      const { expression, label } = /^label_values\((?<expression>.+), (?<label>\w+)\)$/.exec(definition)!.groups!;
      return { where: `$${name}`, expression: expression!, shown: [label!] };
    });
  return [...ofPanels, ...ofAnnotations, ...ofVariables];
}

function usesOfAlerts(): Use[] {
  return rules.map((rule) => ({
    where: nameOf(rule),
    expression: /^ {8}expr: \|\n((?: {10}.+\n)+)/m.exec(rule)![1]!,
    shown: [...rule.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!),
  }));
}

function usesOfPage(): Use[] {
  const [, section = ''] = page.split('## Questions they answer\n');
  const rows = section.split('\n## ')[0]!.matchAll(/^\| (.+\?) \| `(.+)` \|$/gm);
  return [...rows].map(([, where, expression]) => ({ where: where!, expression: expression! }));
}

/** Labels that Prometheus adds to every series from its target. */
const OF_TARGET = ['job', 'instance'];
/** Series of Prometheus itself. An alert also has the labels of its expression. */
const OF_PROMETHEUS: [string, string[]][] = [
  ['up', []],
  ['ALERTS', ['alertname', 'alertstate', 'severity', 'cause', 'route', 'run']],
];

/** Metrics that the service has on Linux only. */
const OF_LINUX = ['process_open_fds', 'process_max_fds'];

const service = Service.start();
let exposition: Exposition;
/** Labels of every series that can be queried, by its name. */
let labelsOf: Map<string, Set<string>>;

beforeAll(async () => {
  // The series of a request appear only after it.
  await service.get('/metrics');
  exposition = await Exposition.read(await service.get('/metrics'));
  const series = [...exposition.families].flatMap(([name, { type, samples }]): [string, string[]][] => {
    // Series of runs appear after a recording. test/routes/prometheus.test.ts checks their labels on the page.
    const labels = samples[0] === undefined ? labelsOnPage(name) : Object.keys(samples[0].labels);
    if (type !== 'histogram') return [[name, labels]];
    const others = labels.filter((label) => label !== 'le');
    return [
      [`${name}_bucket`, [...others, 'le']],
      ...['_sum', '_count'].map((end): [string, string[]] => [name + end, others]),
    ];
  });
  if (process.platform !== 'linux') series.push(...OF_LINUX.map((name): [string, string[]] => [name, []]));
  labelsOf = new Map([...series, ...OF_PROMETHEUS].map(([name, labels]) => [name, new Set([...labels, ...OF_TARGET])]));
});

function labelsOnPage(name: string): string[] {
  const [, labels = ''] = new RegExp(`^\\| \`${name}\` \\| \\w+ \\| (.*?) ?\\| `, 'm').exec(page) ?? [];
  return [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label!);
}

/** Names in an expression that the service does not have. */
function missing({ where, expression, shown = [] }: Use): string[] {
  const selectors = readSelectors(expression);
  if (selectors.length === 0) return [`${where}: it asks for nothing`];
  const unknown = selectors.flatMap(({ metric, labels }) => {
    const known = labelsOf.get(metric);
    if (known === undefined) return [`${where}: there is no ${metric}`];
    return labels.filter((label) => !known.has(label)).map((label) => `${where}: ${metric} has no ${label}`);
  });
  // The result of a binary operator has the labels of its left side.
  const { metric, left } = selectors[0]!;
  const shownLabels = left ?? [...(labelsOf.get(metric) ?? shown)];
  const gone = shown.filter((label) => !shownLabels.includes(label));
  return [...unknown, ...gone.map((label) => `${where}: the result has no ${label}`)];
}

describe('what is asked for is there:', () => {
  test.each([
    ['the dashboard', usesOfDashboard],
    ['the alerts', usesOfAlerts],
    ['docs/metrics.md', usesOfPage],
  ])('%s', (_, uses) => {
    expect(uses().length).toBeGreaterThan(5);
    expect(uses().flatMap(missing)).toEqual([]);
  });

  test.each([
    ['lossmeter_evaluation_total', 'there is no lossmeter_evaluation_total'],
    ['lossmeter_evaluation_seconds', 'there is no lossmeter_evaluation_seconds'],
    ['lossmeter_evaluations_total_sum', 'there is no lossmeter_evaluations_total_sum'],
    ['rate(lossmeter_evaluations_total{job="a", cause=~"b"}[5m]) > 0', 'lossmeter_evaluations_total has no cause'],
    ['sum by (cause) (rate(lossmeter_evaluations_total[5m]))', 'lossmeter_evaluations_total has no cause'],
    ['lossmeter_workers / on (route) lossmeter_workers', 'lossmeter_workers has no route'],
    ['max by (le) (lossmeter_evaluation_seconds_sum)', 'lossmeter_evaluation_seconds_sum has no le'],
  ])('a wrong name is seen: %s', (expression, problem) => {
    expect(missing({ where: 'here', expression })).toContain(`here: ${problem}`);
  });

  test.each([
    ['sum by (phase) (lossmeter_evaluation_seconds_sum)', 'instance'],
    ['max(lossmeter_workers)', 'instance'],
    ['lossmeter_workers', 'verdict'],
  ])('a label that the result does not have is seen: %s', (expression, label) => {
    expect(missing({ where: 'here', expression, shown: [label] })).toEqual([`here: the result has no ${label}`]);
  });
});

test('docs/metrics.md lists every metric of the service', () => {
  const listed = new Set([...page.matchAll(/^\| `(lossmeter_\w+)` \|/gm)].map(([, name]) => name));
  const names = [...exposition.families.keys()].filter((name) => name.startsWith('lossmeter_'));
  expect(names.filter((name) => !listed.has(name))).toEqual([]);
});

describe('alerts', () => {
  test.each(rules.map((rule): [string, string] => [nameOf(rule), rule]))(
    '%s says how long, how severe, what it means, and what to do',
    (_, rule) => {
      const keys = [...rule.matchAll(/^ {8,10}(\w+):/gm)].map(([, key]) => key);
      expect(keys).toEqual(['expr', 'for', 'labels', 'severity', 'annotations', 'summary', 'description', 'runbook']);
      expect(rule).toMatch(/^ {10}severity: (warning|critical)$/m);
    },
  );

  test('are those that docs/metrics.md lists, as severe as it says, with their meaning and what to do', () => {
    const listed = [...page.matchAll(/^\| `(Lossmeter\w+)` \| (\w+) \| .+? \| .+ \|$/gm)].map(([, name, severity]) => [
      name,
      severity,
    ]);
    expect(listed).toEqual(rules.map((rule) => [nameOf(rule), /severity: (\w+)/.exec(rule)![1]]));
  });
});

/** Sections of docs/ that a text names but that do not exist. */
function missingSections(text: string): string[] {
  const named = [...text.matchAll(/docs\/[\w-]+\.md(?:#[\w-]+)?/g)].map(([place]) => place);
  return named.filter((place) => {
    const [path, anchor] = place.split('#') as [string, string?];
    if (!existsSync(new URL(path, ROOT))) return true;
    const headings = [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!);
    return anchor !== undefined && !headings.some((text) => text.toLowerCase().replaceAll(' ', '-') === anchor);
  });
}

test('the runbooks name sections that exist; that of the store those of SQLite and of PostgreSQL', () => {
  expect(rules.flatMap(missingSections)).toEqual([]);
  expect(missingSections('docs/none.md, docs/operations.md#faults-of-oracle, docs/operations.md#faults')).toEqual([
    'docs/none.md',
    'docs/operations.md#faults-of-oracle',
  ]);
  const ofStore = rules.find((rule) => nameOf(rule) === 'LossmeterStoreUnavailable')!;
  for (const section of ['faults', 'faults-of-postgresql']) {
    expect(ofStore).toMatch(new RegExp(`docs/operations\\.md#${section}\\b`));
  }
});

describe('the dashboard', () => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row');

  test('says what each panel is about, and in which unit', () => {
    for (const { title, description, fieldConfig } of panels) {
      expect(description, title).toMatch(/\.$/);
      expect(fieldConfig?.defaults.unit, title).toBeTruthy();
    }
  });

  test('has a place of its own for each panel', () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, k) => `${x + (k % w)} ${y + Math.floor(k / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });
});

test('compose.yaml mounts files that are there', () => {
  const mounted = [...read('compose.yaml').matchAll(/- \.\/(deploy\S+?):/g)].map(([, path]) => path!);
  expect(mounted).toHaveLength(5);
  expect(mounted.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
});
