import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { getScalar } from '../api/scalars.ts';
import type { CurvePoint } from '../series/point.ts';
import type { WantedScalar } from './panel-run.ts';
import { toCurvePoint } from './scalar-point.ts';

interface Known {
  revision: string;
  points: CurvePoint[];
}

/**
 * Reads the points of curves, by their keys. It reads while the panel is in sight, and only curves with a new revision.
 * @param urgency see Lane
 */
export function useScalarPoints(
  name: string,
  wanted: readonly WantedScalar[],
  isInSight: boolean,
  urgency: () => number,
): { points: ReadonlyMap<string, CurvePoint[]>; error: unknown } {
  const [known, setKnown] = useState<ReadonlyMap<string, Known>>(new Map());
  const [error, setError] = useState<unknown>();
  const latest = useRef(wanted);
  latest.current = wanted;
  const read = useRef(known);
  const isReading = useRef(false);
  const signature = JSON.stringify(wanted.map(({ key, revision }) => [key, revision]));

  const controller = useRef(new AbortController());
  useEffect(() => {
    if (!isInSight) return;
    controller.current = new AbortController();
    return () => {
      controller.current.abort();
      isReading.current = false;
    };
  }, [isInSight]);

  useEffect(() => {
    if (!isInSight || isReading.current) return;
    const { signal } = controller.current;
    const readStale = async (): Promise<void> => {
      for (;;) {
        const stale = latest.current.filter(({ key, revision }) => read.current.get(key)?.revision !== revision);
        if (stale.length === 0 || signal.aborted) return;
        const found = await Promise.all(
          stale.map(async ({ key, run, attempt, range, revision }) => {
            const of = { ...range, ...(attempt !== undefined && { attempt }) };
            const points = (await getScalar(run, name, of, urgency, signal)).map(toCurvePoint);
            return [key, { revision, points }] as const;
          }),
        );
        read.current = new Map([...read.current, ...found]);
        setKnown(read.current);
        setError(undefined);
      }
    };
    isReading.current = true;
    readStale()
      .catch((error: unknown) => {
        if (!signal.aborted) setError(error);
      })
      .finally(() => {
        if (!signal.aborted) isReading.current = false;
      });
  }, [isInSight, signature]);
  const points = useMemo(() => new Map([...known].map(([key, { points }]) => [key, points])), [known]);
  return { points, error };
}
