import { Lane } from './lane.ts';
import { api } from './request.ts';
import type { StepRange } from './runs.ts';
import type { ScalarPoint, ScalarSummary } from './types.ts';

/** Most points of a panel, two for each bucket of steps: about as many as a panel has columns. */
const PANEL_POINTS = 240;

/** Panels ask for their curves a few at a time: a browser opens six connections to a service, over all tabs. */
const lane = new Lane(3);

export async function listScalars(run: string, signal: AbortSignal): Promise<ScalarSummary[]> {
  return (await api().GET('/v1/runs/{run}/scalars', { params: { path: { run } }, signal })).data!.scalars;
}

/**
 * Reads points of a scalar, thinned to show the shape of a range.
 * @param range first and last step, and a superseded attempt; all are optional
 * @param urgency see Lane
 */
export function getScalar(
  run: string,
  name: string,
  range: StepRange & { attempt?: number },
  urgency: () => number,
  signal: AbortSignal,
): Promise<ScalarPoint[]> {
  return lane.run(
    async () => {
      const params = { path: { run, name }, query: { ...range, max_points: PANEL_POINTS } };
      return (await api().GET('/v1/runs/{run}/scalars/{name}', { params, signal })).data!.points;
    },
    urgency,
    signal,
  );
}
