import { REMOVED } from '../contract/run-name.ts';

/** Prefix of the name of a run during its removal. Such a name is not a valid name of a run. */
export { REMOVED };

export const isRemoved = (name: string): boolean => name.startsWith(REMOVED);
