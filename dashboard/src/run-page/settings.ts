import type { Zoom } from '../chart/zoom.ts';
import { formatNames, parseNames } from '../routing/names.ts';
import { AXES } from '../series/axis.ts';
import type { Axis } from '../series/axis.ts';

/** Most runs in one chart: the number of colours that are easy to distinguish. */
export const MOST_RUNS = 5;

/** Settings of the page of a run. All are in the address, so a link shows the same page. */
export interface Settings {
  axis: Axis;
  log: boolean;
  /** Weight of earlier losses in the moving average, in [0, 1). 0 turns smoothing off. */
  smoothing: number;
  /** True when the range of losses over ranks is drawn. */
  band: boolean;
  /** True when the vertical axis leaves out outliers. */
  clip: boolean;
  /** True when the superseded branches of resumed runs are drawn. */
  branches: boolean;
  /** Other runs in the same chart. */
  compare: string[];
  /** Visible part of the horizontal axis, in its own unit; undefined for all of it. */
  zoom: Zoom | undefined;
  /** Visible part of the loss axis; undefined for all of it. */
  y: Zoom | undefined;
  /** Search in the names of scalars. */
  scalars: string;
  /** Closed groups of scalars. */
  closed: string[];
  /** Step whose detail is shown, with its run unless it is the run of the page. */
  selected: { run?: string; step: number } | undefined;
}

export function parseSettings(parameters: URLSearchParams): Settings {
  const number = (name: string): number | undefined => {
    const text = parameters.get(name);
    return text !== null && text !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined;
  };
  const zoomOf = (from = number('from'), to = number('to')): Zoom | undefined =>
    from !== undefined && to !== undefined && from < to ? { from, to } : undefined;
  const step = number('step');
  const run = parameters.get('step_of');
  const compare = parseNames(parameters.get('compare') ?? '');
  return {
    axis: AXES.find((axis) => axis === parameters.get('x')) ?? 'step',
    log: parameters.get('log') === '1',
    smoothing: Math.min(0.99, Math.max(0, number('smooth') ?? 0)),
    band: parameters.get('band') !== '0',
    clip: parameters.get('clip') === '1',
    branches: parameters.get('branches') !== '0',
    compare: [...new Set(compare)].slice(0, MOST_RUNS - 1),
    zoom: zoomOf(),
    y: zoomOf(number('low'), number('high')),
    scalars: parameters.get('scalars') ?? '',
    closed: parseNames(parameters.get('closed') ?? ''),
    selected: step === undefined ? undefined : { step, ...(run !== null && { run }) },
  };
}

/** Rounds a range of a vertical axis to four digits of its length. */
export function roundRange({ from, to }: Zoom): Zoom {
  const digits = Math.min(100, Math.max(0, 4 - Math.ceil(Math.log10(to - from))));
  return { from: Number(from.toFixed(digits)), to: Number(to.toFixed(digits)) };
}

/** Widens a zoom to readable numbers: whole steps, hundredths of a second. */
export function roundZoom({ from, to }: Zoom, axis: Axis): Zoom {
  const unit = axis === 'step' ? 1 : 100;
  return { from: Math.floor(from * unit) / unit, to: Math.ceil(to * unit) / unit };
}

/** Formats the settings that differ from the default. */
export function formatSettings(settings: Settings): URLSearchParams {
  const { axis, log, smoothing, band, clip, branches, compare, zoom, y, scalars, closed, selected } = settings;
  const entries: [string, string | false | undefined][] = [
    ['compare', compare.length > 0 && formatNames(compare)],
    ['x', axis !== 'step' && axis],
    ['log', log && '1'],
    ['smooth', smoothing > 0 && String(smoothing)],
    ['band', !band && '0'],
    ['clip', clip && '1'],
    ['branches', !branches && '0'],
    ['from', zoom !== undefined && String(zoom.from)],
    ['to', zoom !== undefined && String(zoom.to)],
    ['low', y !== undefined && String(y.from)],
    ['high', y !== undefined && String(y.to)],
    ['scalars', scalars !== '' && scalars],
    ['closed', closed.length > 0 && formatNames(closed)],
    ['step', selected !== undefined && String(selected.step)],
    ['step_of', selected?.run],
  ];
  return new URLSearchParams(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
