import { useMemo } from 'preact/hooks';
import type { RunSummary } from '../api/types.ts';
import { LossChart } from '../chart/loss-chart.tsx';
import { formatHash } from '../routing/hash.ts';
import { replaceHash } from '../routing/location.ts';
import { curveOf } from '../series/curve.ts';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { useComparedRuns } from './compared-runs.ts';
import { Controls } from './controls.tsx';
import { DataTable } from './data-table.tsx';
import { Downloads } from './downloads.tsx';
import { Findings } from './findings.tsx';
import { Legend } from './legend.tsx';
import { useLiveRun } from './live-run.ts';
import { RunHead } from './run-head.tsx';
import { formatSettings, parseSettings, roundZoom } from './settings.ts';
import type { Settings } from './settings.ts';
import { StepDetailPanel } from './step-detail.tsx';
import { useZoomedPoints } from './zoomed-points.ts';

/** A run, its curve as it grows, and what is known of its steps. */
export function RunPage({ run, parameters }: { run: string; parameters: URLSearchParams }) {
  const settings = useMemo(() => parseSettings(parameters), [parameters.toString()]);
  const change = (changed: Partial<Settings>): void => {
    replaceHash(formatHash(['runs', run], formatSettings({ ...settings, ...changed })));
  };
  const { axis, log, smoothing, band, zoom, selected } = settings;
  const compared = settings.compare.filter((other) => other !== run);

  const { connection, error, ...own } = useLiveRun(run);
  const others = useComparedRuns(compared);
  const runs = [{ run, ...own }, ...others];
  const points = useZoomedPoints(runs, axis, zoom);
  const began = runs.map(({ summary, points }) => startOf(summary, points[0]?.recorded_at));
  const curves = useMemo(
    () => runs.map(({ run }, k) => curveOf(run, points[k]!, { axis, log, smoothing, began: began[k]! })),
    [...runs.map(({ points }) => points), zoom && points, axis, log, smoothing, began.join()],
  );

  const selectedCurve = Math.max(0, selected?.run === undefined ? 0 : curves.findIndex((c) => c.run === selected.run));
  const selectedIndex = curves[selectedCurve]!.points.findIndex(({ step }) => step === selected?.step);
  const select = (step: number, of = run): void => {
    change({ selected: { step, ...(of !== run && { run: of }) } });
  };

  if (error !== undefined && own.summary === undefined) {
    return (
      <div class="page">
        <h1>{run}</h1>
        <ProblemNotice error={error} />
      </div>
    );
  }
  return (
    <div class="page">
      <RunHead run={run} summary={own.summary} connection={connection} />
      {error !== undefined && <ProblemNotice error={error} />}
      <section class="card" aria-label="Loss curve and its settings">
        <Controls settings={settings} run={run} onChange={change} />
        <Legend
          curves={curves}
          runs={runs}
          onRemove={(name) => change({ compare: compared.filter((r) => r !== name) })}
        />
        <LossChart
          curves={curves}
          loaded={runs.map(({ isLoaded }) => isLoaded)}
          began={began}
          axis={axis}
          log={log}
          smoothed={smoothing > 0}
          band={band}
          zoom={zoom}
          selected={selectedIndex === -1 ? undefined : { curve: selectedCurve, index: selectedIndex }}
          onZoom={(zoom) => change({ zoom: zoom && roundZoom(zoom, axis) })}
          onSelect={({ curve, index }) => select(curves[curve]!.points[index]!.step, curves[curve]!.run)}
        />
      </section>
      <div class="below">
        <Findings
          curve={curves[0]!}
          isLoaded={own.isLoaded}
          steps={own.summary?.steps}
          isCompared={compared.length > 0}
          selected={selected?.run === undefined ? selected?.step : undefined}
          onSelect={select}
        />
        <StepDetailPanel
          run={selected?.run ?? run}
          step={selected?.step}
          // It is read again when something of the step was recorded.
          state={curves[selectedCurve]!.points[selectedIndex]}
          onClose={() => change({ selected: undefined })}
        />
      </div>
      <section class="card foot">
        <Downloads run={run} />
        <DataTable curve={curves[0]!} isLoaded={own.isLoaded} onSelect={select} />
      </section>
    </div>
  );
}

/** When a run began, in Unix milliseconds. */
function startOf(summary: RunSummary | undefined, firstRecord: string | undefined): number {
  return Date.parse(summary?.created_at ?? firstRecord ?? new Date(0).toISOString());
}
