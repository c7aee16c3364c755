import type { Axis } from '../series/axis.ts';
import { AXES } from '../series/axis.ts';
import { ComparePicker } from './compare-picker.tsx';
import type { Settings } from './settings.ts';

interface Properties {
  run: string;
  settings: Settings;
  /** True when a run was resumed. */
  hasBranches: boolean;
  onChange: (changed: Partial<Settings>) => void;
}

const AXIS_NAMES: Record<Axis, string> = { step: 'Step', relative: 'Relative', wall: 'Wall time' };

/** Controls of the curve's appearance. */
export function Controls({ run, settings, hasBranches, onChange }: Properties) {
  const { axis, log, smoothing, band, clip, branches } = settings;
  return (
    <div class="controls" role="group" aria-label="How the curve is shown">
      <fieldset class="segments">
        <legend class="hidden">Horizontal axis</legend>
        {AXES.map((name) => (
          <label key={name}>
            <input
              type="radio"
              name="axis"
              checked={axis === name}
              // The zoom is in units of the axis.
              onChange={() => onChange({ axis: name, zoom: undefined })}
            />
            <span>{AXIS_NAMES[name]}</span>
          </label>
        ))}
      </fieldset>
      <Toggle name="Log scale" checked={log} onChange={(log) => onChange({ log, y: undefined })} />
      <Toggle name="Rank band" checked={band} onChange={(band) => onChange({ band })} />
      <Toggle name="Clip outliers" checked={clip} onChange={(clip) => onChange({ clip })} />
      {hasBranches && (
        <Toggle name="Earlier attempts" checked={branches} onChange={(branches) => onChange({ branches })} />
      )}
      <label class="slider">
        <span>Smoothing</span>
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={smoothing}
          onInput={(event) => onChange({ smoothing: Number(event.currentTarget.value) })}
        />
        <output>{smoothing.toFixed(2)}</output>
      </label>
      <ComparePicker run={run} chosen={settings.compare} onChange={(compare) => onChange({ compare })} />
    </div>
  );
}

function Toggle({ name, checked, onChange }: { name: string; checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <label class="toggle">
      <input type="checkbox" role="switch" checked={checked} onChange={() => onChange(!checked)} />
      <span>{name}</span>
    </label>
  );
}
