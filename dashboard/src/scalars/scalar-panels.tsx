import { useMemo } from 'preact/hooks';
import type { Zoom } from '../chart/zoom.ts';
import { formatCount } from '../format/numbers.ts';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { useSettled } from '../ui/settled.ts';
import { groupScalars } from './groups.ts';
import type { PanelRun, PanelStyle } from './panel-run.ts';
import { useScalarLists } from './scalar-lists.ts';
import { ScalarPanel } from './scalar-panel.tsx';

/** Delay before points of a new zoom are requested, in milliseconds. It is longer than the time between two key presses. */
const SETTLE_MS = 150;

interface Properties {
  runs: readonly (Omit<PanelRun, 'scalars'> & { revision: string })[];
  /** False while the losses are read. They are read first. */
  isReady: boolean;
  /** True once the run was deleted. */
  isGone: boolean;
  style: PanelStyle;
  zoom: Zoom | undefined;
  search: string;
  /** Groups that are closed. */
  closed: readonly string[];
  onSearch: (search: string) => void;
  onClose: (closed: string[]) => void;
  onZoom: (zoom: Zoom | undefined) => void;
  onSelect: (step: number, run: string) => void;
}

/** Section of the scalars of runs, grouped by name. It is absent when the runs have no scalars. */
export function ScalarPanels(properties: Properties) {
  const { runs, isReady, isGone, style, zoom, search, closed, onSearch, onClose, onZoom, onSelect } = properties;
  const { lists, error } = useScalarLists(runs, isGone);
  const settled = useSettled(zoom, JSON.stringify(zoom), SETTLE_MS);
  const names = lists.flatMap((list) => [...(list?.keys() ?? [])]);
  const groups = useMemo(() => groupScalars(names, search), [names.join('\n'), search]);
  const panelRuns = useMemo(
    () => runs.map((run, k) => ({ ...run, scalars: lists[k] })),
    [...runs.flatMap(({ run, colour, began, losses, branches }) => [run, colour, began, losses, branches]), ...lists],
  );
  if (error !== undefined && names.length === 0) return <ProblemNotice error={error} />;
  if (names.length === 0) return null;
  const toggle = (group: string, isOpen: boolean): void => {
    const others = closed.filter((other) => other !== group);
    if (isOpen === closed.includes(group)) onClose(isOpen ? others : [...others, group]);
  };
  return (
    <section class="card scalars" aria-labelledby="scalars-title">
      <div class="scalars-head">
        <h2 id="scalars-title">
          Scalars <span class="muted">{formatCount(new Set(names).size)}</span>
        </h2>
        <input
          type="search"
          aria-label="Search names of scalars"
          placeholder="Search names of scalars"
          value={search}
          onInput={(event) => onSearch(event.currentTarget.value)}
        />
      </div>
      {groups.length === 0 && <p class="muted">No scalar matches “{search}”.</p>}
      {groups.map(({ name, scalars }) => (
        <details
          key={name}
          class="scalar-group"
          open={!closed.includes(nameOf(name))}
          onToggle={(event) => toggle(nameOf(name), event.currentTarget.open)}
        >
          <summary>
            <h3>{name === '' ? 'Without a group' : name}</h3> <span class="muted">{formatCount(scalars.length)}</span>
          </summary>
          <div class="panels">
            {scalars.map((scalar) => (
              <ScalarPanel
                key={scalar}
                name={scalar}
                runs={panelRuns}
                isReady={isReady && !isGone}
                {...{ style, zoom, settled, onZoom, onSelect }}
              />
            ))}
          </div>
        </details>
      ))}
    </section>
  );
}

/** Name of a group in the address, where an empty name would be lost. */
const nameOf = (group: string): string => group || '/';
