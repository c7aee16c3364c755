import { useRef, useState } from 'preact/hooks';
import { getRun, getSteps } from '../api/runs.ts';
import type { RunSummary, StepPoint } from '../api/types.ts';
import { usePolling } from '../ui/polling.ts';
import { isUnchanged } from './unchanged.ts';

export interface ComparedRun {
  run: string;
  summary?: RunSummary;
  points: StepPoint[];
  /** True when the points are known. */
  isLoaded: boolean;
  error?: unknown;
}

const REFRESH_MS = 3000;

/**
 * Polls the runs that are compared with the run of the page. They have no event streams: of the six connections that a
 * browser opens to a service, five streams would leave one.
 */
export function useComparedRuns(names: readonly string[]): ComparedRun[] {
  const [runs, setRuns] = useState<ReadonlyMap<string, ComparedRun>>(new Map());
  const known = useRef(runs);
  known.current = runs;
  usePolling(
    async (signal) => {
      if (names.length === 0) return;
      const refreshed = await Promise.all(names.map((name) => refresh(name, known.current.get(name), signal)));
      if (!signal.aborted) setRuns(new Map(refreshed.map((run) => [run.run, run])));
    },
    REFRESH_MS,
    [JSON.stringify(names)],
  );
  return names.map((run) => runs.get(run) ?? { run, points: [], isLoaded: false });
}

/** Reads a run. Its steps are read again only after a new recording. */
async function refresh(run: string, known: ComparedRun | undefined, signal: AbortSignal): Promise<ComparedRun> {
  try {
    const summary = await getRun(run, signal);
    if (known !== undefined && isUnchanged(known.summary, summary)) return { ...known, error: undefined };
    return { run, summary, points: await getSteps(run, {}, signal), isLoaded: true };
  } catch (error) {
    return { run, points: [], isLoaded: false, ...known, error };
  }
}
