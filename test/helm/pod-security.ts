import { spawnSync } from 'node:child_process';
import { podSecurityProgram } from './toolbox.ts';
import { workloadsOf } from './chart.ts';
import type { Document } from './chart.ts';

/**
 * Checks the pods of sets of documents by the restricted Pod Security Standard, with the code of the API server.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/
 * @returns the violations of each set as text; empty for an allowed set
 */
export function findForbidden(sets: readonly (readonly Document[])[]): string[] {
  const pods = sets.map((documents) => workloadsOf(documents).map(({ spec }) => spec.template as object));
  const options = { input: JSON.stringify(pods.flat()), encoding: 'utf8', maxBuffer: 2 ** 26 } as const;
  const { status, stdout, stderr } = spawnSync(podSecurityProgram(), options);
  if (status !== 0) throw new Error(stderr);
  const reasons = stdout.trim().split('\n');
  return pods.map(({ length }) => {
    const ofSet = reasons.splice(0, length).map((line) => JSON.parse(line) as string);
    return ofSet.filter((reason) => reason !== '').join('\n');
  });
}
