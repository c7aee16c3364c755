import type { LossOptions } from '../../../clients/typescript/src/types.ts';
import type { FileOptions } from '../files/options.ts';

interface Properties {
  options: FileOptions;
  onChange: (options: FileOptions) => void;
}

/** Options with a fixed set of values, the service's default first. */
const CHOICES = {
  reduction: ['mean', 'sum', 'none'],
  semantics: ['mindformers', 'torch', 'megatron'],
  invalid_label: ['error', 'zero_loss'],
} as const satisfies Partial<Record<keyof LossOptions, readonly string[]>>;

/** Numeric options, with the service's defaults as `none`. */
const NUMBERS = {
  ignore_index: { none: '−100', step: '1' },
  shift: { none: '0', step: '1', min: '0' },
  label_smoothing: { none: '0', step: 'any', min: '0', max: '1' },
  lse_square_scale: { none: '0', step: 'any', min: '0' },
  softcap: { none: 'none', step: 'any', min: '0' },
  logit_scale: { none: '1', step: 'any', min: '0' },
} as const satisfies Partial<Record<keyof LossOptions, object>>;

const NAMES: Record<keyof typeof CHOICES | keyof typeof NUMBERS, string> = {
  reduction: 'Reduction',
  semantics: 'Semantics',
  invalid_label: 'Invalid labels',
  ignore_index: 'Ignored label',
  shift: 'Causal shift',
  label_smoothing: 'Label smoothing',
  lse_square_scale: 'Scale of the z-loss',
  softcap: 'Softcap',
  logit_scale: 'Logit scale',
};

const textOf = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? `${value}` : '');

/** Form of the common options. They override the options in a file. An empty field keeps the file's option. */
export function OptionsForm({ options, onChange }: Properties) {
  const set = (name: string, value: unknown): void => {
    const others = Object.entries(options).filter(([other]) => other !== name);
    onChange(Object.fromEntries(value === undefined ? others : [...others, [name, value]]));
  };
  const count = Object.keys(options).length;
  return (
    <details class="card options">
      <summary>Options{count > 0 && ` (${count} set)`}</summary>
      <div class="options-grid">
        {Object.entries(CHOICES).map(([name, values]) => (
          <label key={name}>
            <span>{NAMES[name as keyof typeof CHOICES]}</span>
            <select
              value={textOf(options[name])}
              onChange={(event) => set(name, event.currentTarget.value || undefined)}
            >
              <option value="">as in the file; default {values[0]}</option>
              {values.map((value) => (
                <option key={value} value={value}>
                  {value}
                </option>
              ))}
            </select>
          </label>
        ))}
        {Object.entries(NUMBERS).map(([name, { none, ...bounds }]) => (
          <label key={name}>
            <span>{NAMES[name as keyof typeof NUMBERS]}</span>
            <input
              type="number"
              {...bounds}
              placeholder={`as in the file; default ${none}`}
              value={textOf(options[name])}
              // At each key: text that is not yet an option would be lost when the answer is rendered.
              onInput={({ currentTarget: { value } }) => set(name, value === '' ? undefined : Number(value))}
            />
          </label>
        ))}
      </div>
    </details>
  );
}
