import { spawnSync } from 'node:child_process';
import { podSecurityProgram } from './toolbox.ts';
import { workloadOf } from './chart.ts';
import type { Document } from './chart.ts';

/**
 * Evaluates the pods of sets of documents by the restricted Pod Security Standard, with the code of the API server.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/
 * @returns the reasons against each; an empty text where there are none
 */
export function findForbidden(sets: readonly (readonly Document[])[]): string[] {
  const pods = sets.map((documents) => workloadOf(documents).spec.template as object);
  const options = { input: JSON.stringify(pods), encoding: 'utf8', maxBuffer: 2 ** 26 } as const;
  const { status, stdout, stderr } = spawnSync(podSecurityProgram(), options);
  if (status !== 0) throw new Error(stderr);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as string);
}
