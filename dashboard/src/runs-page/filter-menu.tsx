import { ARCHIVED_CHOICES, RUN_STATES } from '../api/run-query.ts';
import type { ArchivedChoice, RunQuery, RunState } from '../api/run-query.ts';
import { Menu } from '../ui/menu.tsx';

const ARCHIVED_NAMES: Record<ArchivedChoice, string> = {
  false: 'Without archived runs',
  any: 'With archived runs',
  true: 'Only archived runs',
};

interface Properties {
  query: RunQuery;
  /** Tags of the runs that are listed. */
  tags: readonly string[];
  onChange: (changed: Partial<RunQuery>) => void;
}

/** Menu that filters runs by state, tags and archiving. */
export function FilterMenu({ query: { state, tags: chosen, archived }, tags, onChange }: Properties) {
  const count = Number(state !== undefined) + chosen.length + Number(archived !== 'false');
  const toggle = (tag: string): void =>
    onChange({ tags: chosen.includes(tag) ? chosen.filter((other) => other !== tag) : [...chosen, tag] });
  return (
    <Menu name={`Filter${count > 0 ? ` (${count})` : ''}`} legend="Runs in the list">
      {() => (
        <>
          <label>
            <span class="hidden">State</span>
            <select
              value={state ?? ''}
              onChange={(event) =>
                onChange({ state: (event.currentTarget.value || undefined) as RunState | undefined })
              }
            >
              <option value="">Every state</option>
              {RUN_STATES.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            <span class="hidden">Archived runs</span>
            <select
              value={archived}
              onChange={(event) => onChange({ archived: event.currentTarget.value as ArchivedChoice })}
            >
              {ARCHIVED_CHOICES.map((choice) => (
                <option key={choice} value={choice}>
                  {ARCHIVED_NAMES[choice]}
                </option>
              ))}
            </select>
          </label>
          {[...new Set([...chosen, ...tags])].toSorted().map((tag) => (
            <label key={tag}>
              <input type="checkbox" checked={chosen.includes(tag)} onChange={() => toggle(tag)} />
              {tag}
            </label>
          ))}
        </>
      )}
    </Menu>
  );
}
