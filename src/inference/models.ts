import { CROSS_ENTROPY_MODEL } from './cross-entropy.ts';
import { KL_DIVERGENCE_MODEL } from './kl-divergence.ts';

/** The models, in the order in which they are listed. */
export const MODELS = [CROSS_ENTROPY_MODEL, KL_DIVERGENCE_MODEL] as const;

/** Names of the models, each with the part that it adds to the names of operations. */
const OPERATIONS = { cross_entropy: '', kl_divergence: 'KlDivergence' } as const;

export type ModelName = keyof typeof OPERATIONS;

/** Paths of a model, each with the suffix of the names of its operations. */
export function pathsOf(name: ModelName): { path: string; suffix: string }[] {
  const { version } = MODELS.find((model) => model.name === name)!;
  const operation = OPERATIONS[name];
  return [
    { path: `/models/${name}`, suffix: operation },
    { path: `/models/${name}/versions/${version}`, suffix: `${operation}Version` },
  ];
}
