/** Checks the jobs that evaluate shards: Kubernetes schemas, and the restricted Pod Security Standard. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../python/environment.ts';
import { KUBERNETES, validate } from './chart.ts';
import { findForbidden } from './pod-security.ts';

/** Versions that retry a failed index without a feature gate: from 1.29 on. */
const VERSIONS = KUBERNETES.filter((version) => Number(version.split('.')[1]) >= 29);

const NAMES = ['evaluate-job', 'combine-job'];
const manifests = Object.fromEntries(
  NAMES.map((name) => [name, readFileSync(path.join(ROOT, `deploy/kubernetes/${name}.yaml`), 'utf8')]),
);

test('meet the schemas of every version, which refuse a changed one', () => {
  expect(validate(manifests, VERSIONS).problems).toEqual([]);
  const misspelt = manifests['evaluate-job']!.replace('backoffLimitPerIndex', 'backoffLimitPerShard');
  expect(validate({ misspelt }, VERSIONS).problems.join('\n')).toContain('backoffLimitPerShard');
});

test('have pods that the restricted standard allows, which forbids a changed one', () => {
  const sets = NAMES.map((name) => validate(manifests, []).documents[name]!);
  const changed = structuredClone(sets[0]!);
  changed[0]!.spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation = true;
  const [...reasons] = findForbidden([...sets, changed]);
  expect(reasons.slice(0, -1)).toEqual(['', '']);
  expect(reasons.at(-1)).toContain('allowPrivilegeEscalation');
});
