import { CROSS_ENTROPY_MODEL } from './cross-entropy.ts';
import { KL_DIVERGENCE_MODEL } from './kl-divergence.ts';

/** The models, in the order in which they are listed. */
export const MODELS = [CROSS_ENTROPY_MODEL, KL_DIVERGENCE_MODEL] as const;

/** Names of the models, with the part of a name that their operations have. */
const OPERATIONS = { cross_entropy: '', kl_divergence: 'KlDivergence' } as const;

export type ModelName = keyof typeof OPERATIONS;

/** Paths of a model, and the end of the names of their operations. */
export function pathsOf(name: ModelName): { path: string; suffix: string }[] {
  const { version } = MODELS.find((model) => model.name === name)!;
  const operation = OPERATIONS[name];
  return [
    { path: `/models/${name}`, suffix: operation },
    { path: `/models/${name}/versions/${version}`, suffix: `${operation}Version` },
  ];
}
