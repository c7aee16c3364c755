import { REMOVED } from '../contract/limits.ts';

/** Prefix of the name of a run during its removal. Such a name is not a valid name of a run. */
export { REMOVED };

export const isRemoved = (name: string): boolean => name.startsWith(REMOVED);
