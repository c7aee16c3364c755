import { useMemo } from 'preact/hooks';
import type { StepPoint } from '../api/types.ts';
import { CurveChart } from '../chart/curve-chart.tsx';
import type { View } from '../chart/view.ts';
import { formatHash } from '../routing/hash.ts';
import { replaceHash } from '../routing/location.ts';
import { ScalarPanels } from '../scalars/scalar-panels.tsx';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { useComparedRuns } from './compared-runs.ts';
import { Controls } from './controls.tsx';
import { DataTable } from './data-table.tsx';
import { Downloads } from './downloads.tsx';
import { Findings } from './findings.tsx';
import { Legend } from './legend.tsx';
import { useLiveRun } from './live-run.ts';
import { useRunCurves } from './run-curves.ts';
import { RunHead } from './run-head.tsx';
import { formatSettings, parseSettings, roundRange, roundZoom } from './settings.ts';
import type { Settings } from './settings.ts';
import { StepDetailPanel } from './step-detail.tsx';

/** Losses for scalars that are drawn over steps: these need no times. */
const NO_POINTS: StepPoint[] = [];

/** Page of a run: its live loss curve, findings, step detail and scalars. */
export function RunPage({ run, parameters }: { run: string; parameters: URLSearchParams }) {
  const settings = useMemo(() => parseSettings(parameters), [parameters.toString()]);
  const change = (changed: Partial<Settings>): void => {
    replaceHash(formatHash(['runs', run], formatSettings({ ...settings, ...changed })));
  };
  const { axis, log, smoothing, band, clip, zoom, y, selected } = settings;
  const compared = settings.compare.filter((other) => other !== run);

  const { connection, error, ...own } = useLiveRun(run);
  const others = useComparedRuns(compared);
  const runs = [{ run, ...own }, ...others];
  const { curves, branches, began } = useRunCurves(runs, settings);
  const runCurves = curves.slice(0, runs.length);

  const chosen = selected && { run, ...selected };
  // A link may select a step of a run that is not drawn.
  const selectedCurve = runCurves.findIndex((c) => c.run === chosen?.run);
  const selectedIndex = curves[selectedCurve]?.points.findIndex(({ step }) => step === chosen?.step) ?? -1;
  const select = (step: number, of = run): void => {
    change({ selected: { step, ...(of !== run && { run: of }) } });
  };
  const show = (changed: Partial<View>): void => {
    change({
      ...('zoom' in changed && { zoom: changed.zoom && roundZoom(changed.zoom, axis) }),
      ...('y' in changed && { y: changed.y && roundRange(changed.y) }),
    });
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
        <Controls
          settings={settings}
          run={run}
          hasBranches={runs.some(({ points }) => (points.at(-1)?.attempt ?? 0) > 0)}
          onChange={change}
        />
        <Legend
          curves={runCurves}
          runs={runs}
          hasBranches={curves.length > runs.length}
          onRemove={(name) => change({ compare: compared.filter((r) => r !== name) })}
        />
        <CurveChart
          what="Loss"
          label="Loss"
          {...{ curves, axis, log, band, clip }}
          smoothed={smoothing > 0}
          view={{ zoom, y }}
          selected={selectedIndex === -1 ? undefined : { curve: selectedCurve, index: selectedIndex }}
          onView={show}
          onSelect={({ curve, index }) => select(curves[curve]!.points[index]!.step, curves[curve]!.run)}
        />
      </section>
      <div class="below">
        <Findings
          curves={runCurves}
          steps={runs.map(({ summary }) => summary?.steps)}
          selected={chosen}
          onSelect={select}
        />
        <StepDetailPanel
          run={selected?.run ?? run}
          step={selected?.step}
          // The detail is read again when this point changes.
          state={curves[selectedCurve]?.points[selectedIndex]}
          onClose={() => change({ selected: undefined })}
        />
      </div>
      <ScalarPanels
        runs={runs.map(({ run, summary, points }, k) => ({
          run,
          colour: k,
          began: began[k]!,
          branches: branches[k]!,
          losses: axis === 'step' ? NO_POINTS : points,
          revision: `${summary?.updated_at} ${summary?.batches} ${points.length} ${points.at(-1)?.recorded_at}`,
        }))}
        isReady={own.isLoaded}
        isGone={connection === 'deleted'}
        style={{ axis, log, smoothing, band, clip }}
        zoom={zoom}
        search={settings.scalars}
        closed={settings.closed}
        onSearch={(scalars) => change({ scalars })}
        onClose={(closed) => change({ closed })}
        onZoom={(zoom) => show({ zoom })}
        onSelect={select}
      />
      <section class="card foot">
        <Downloads run={run} />
        <DataTable curve={curves[0]!} isLoaded={own.isLoaded} onSelect={select} />
      </section>
    </div>
  );
}
