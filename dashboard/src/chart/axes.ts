import type uPlot from 'uplot';
import { formatCount } from '../format/numbers.ts';
import { formatSpan } from '../format/times.ts';
import type { Axis } from '../series/axis.ts';
import type { Palette } from './palette.ts';
import { logTicks } from './ticks.ts';

const FONT = '12px system-ui, sans-serif';

/** Distances of ticks on a time axis, in seconds. */
const SPANS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800];
const LONG_SPANS = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 672].map((hours) => hours * 3600);

const AXIS_LABELS: Record<Axis, string> = { step: 'Step', relative: 'Time since the run began', wall: 'Time' };

interface AxesStyle {
  axis: Axis;
  log: boolean;
  /** Text of the vertical axis. */
  label: string;
  isPanel: boolean;
}

export function plotAxes({ axis, log, label, isPanel }: AxesStyle, palette: Palette): uPlot.Axis[] {
  const common = {
    font: FONT,
    labelFont: FONT,
    stroke: palette.text,
    grid: { stroke: palette.grid, width: 1 },
    ticks: { show: false },
  };
  return [
    {
      ...common,
      ...HORIZONTAL[axis],
      ...(!isPanel && { label: AXIS_LABELS[axis], labelSize: 22 }),
      size: 30,
      grid: { show: false },
    },
    {
      ...common,
      size: 54,
      label,
      labelSize: 18,
      ...(log && {
        splits: (_plot: uPlot, _axis: number, low: number, high: number) => logTicks(low, high),
        filter: (_plot: uPlot, splits: number[]) => splits,
      }),
      values: (_plot, splits) => splits.map((value) => (value === null ? '' : formatTick(value))),
    },
  ];
}

const HORIZONTAL: Record<Axis, Partial<uPlot.Axis>> = {
  step: {
    incrs: [1, 2, 5]
      .flatMap((digit) => Array.from({ length: 12 }, (_, k) => digit * 10 ** k))
      .toSorted((a, b) => a - b),
    values: (_plot, splits) => splits.map(formatCount),
  },
  relative: { incrs: [...SPANS, ...LONG_SPANS], values: (_plot, splits) => splits.map(formatSpan), space: 80 },
  wall: {
    incrs: [...SPANS, ...LONG_SPANS].filter((seconds) => seconds >= 1),
    values: (_plot, splits, _axis, _space, increment) => splits.map((seconds) => formatClock(seconds, increment)),
  },
};

const CLOCKS: [number, Intl.DateTimeFormat][] = [
  [86_400, new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })],
  [3600, new Intl.DateTimeFormat('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' })],
  [60, new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })],
  [0, new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })],
];

/** Formats a time, in Unix seconds, with the units that distinguish ticks. @param increment distance of ticks, in seconds */
function formatClock(seconds: number, increment: number): string {
  return CLOCKS.find(([least]) => increment >= least)![1].format(seconds * 1000);
}

const formatTick = (value: number): string =>
  value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)
    ? value.toExponential(0)
    : String(Number(value.toPrecision(6)));
