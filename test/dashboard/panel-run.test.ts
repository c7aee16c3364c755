import { expect, test } from 'vitest';
import { curvesOf, wantedOf } from '../../dashboard/src/scalars/panel-run.ts';
import type { PanelRun } from '../../dashboard/src/scalars/panel-run.ts';
import type { CurvePoint } from '../../dashboard/src/series/point.ts';

const NAME = 'lr';
const style = { log: false, smoothing: 0, isZoomed: true };

/** Point of a curve. @param second time of its recording; undefined for a point without a time */
function point(step: number, second?: number): CurvePoint {
  const recorded = second !== undefined && { recorded_at: new Date(second * 1000).toISOString() };
  return { step, attempt: 0, loss: step, ranks: 1, non_finite: false, spike: false, ...recorded };
}

function panelRun(run: string, more: Partial<PanelRun> = {}): PanelRun {
  const scalars = new Map([[NAME, { points: 3, last_value: 1 }]]);
  return { run, colour: 0, began: 0, losses: [], scalars, branches: [], ...more };
}

test('a superseded attempt of a scalar has the times of its own losses', () => {
  const branch = { attempt: 0, from: 2, points: [point(1, 10), point(2, 20), point(3, 30)] };
  const run = panelRun('a', { losses: [point(1, 10), point(2, 500), point(3, 600)], branches: [branch] });
  const points = new Map(
    wantedOf(NAME, [run], 'relative', undefined).map(({ key }) => [key, [1, 2, 3].map((step) => point(step))]),
  );
  const [own, old] = curvesOf(NAME, [run], points, { axis: 'relative', ...style });
  expect([own?.x, old?.x]).toEqual([
    [10, 500, 600],
    [10, 20, 30],
  ]);
});

test('curves of runs whose names look like parts of others have keys of their own', () => {
  const branches = [{ attempt: 1, from: 1, points: [] }];
  const runs = [panelRun('a', { branches }), panelRun('a 1'), panelRun('a in sight'), panelRun('["a"]')];
  const keys = wantedOf(NAME, runs, 'step', { from: 0, to: 9 }).map(({ key }) => key);
  expect(keys).toHaveLength(9);
  expect(new Set(keys).size).toBe(9);
});
