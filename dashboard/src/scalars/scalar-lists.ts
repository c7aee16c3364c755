import { useRef, useState } from 'preact/hooks';
import { listScalars } from '../api/scalars.ts';
import type { ScalarSummary } from '../api/types.ts';
import { usePolling } from '../ui/polling.ts';

/** Scalars of a run, by name. */
type ScalarList = ReadonlyMap<string, ScalarSummary>;

interface Run {
  run: string;
  /** Changes with each recording of the run. */
  revision: string;
}

/** Milliseconds between requests for the list of a run that has new steps. */
const REFRESH_MS = 3000;
/** Milliseconds between requests for the list of a run without new steps. Scalars alone send no event. */
const QUIET_MS = 15_000;

/** Polls the scalars of runs; undefined until they are loaded. @param isGone true once the run was deleted: stops polling */
export function useScalarLists(
  runs: readonly Run[],
  isGone: boolean,
): { lists: (ScalarList | undefined)[]; error: unknown } {
  const [lists, setLists] = useState<ReadonlyMap<string, ScalarList>>(new Map());
  const [error, setError] = useState<unknown>();
  const read = useRef(new Map<string, { revision: string; at: number }>());
  const latest = useRef(runs);
  latest.current = runs;
  usePolling(
    async (signal) => {
      if (isGone) return;
      const stale = latest.current.filter(({ run, revision }) => {
        const last = read.current.get(run);
        return last === undefined || last.revision !== revision || Date.now() - last.at > QUIET_MS;
      });
      if (stale.length === 0) return;
      try {
        const found = await Promise.all(
          stale.map(async ({ run }) => {
            const scalars = await listScalars(run, signal);
            return [run, new Map(scalars.map((scalar) => [scalar.name, scalar]))] as const;
          }),
        );
        for (const { run, revision } of stale) read.current.set(run, { revision, at: Date.now() });
        setLists((lists) => new Map([...lists, ...found]));
        setError(undefined);
      } catch (error) {
        if (!signal.aborted) setError(error);
      }
    },
    REFRESH_MS,
    [JSON.stringify(runs.map(({ run }) => run)), isGone],
  );
  return { lists: runs.map(({ run }) => lists.get(run)), error };
}
