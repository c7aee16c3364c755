import { useEffect, useRef, useState } from 'preact/hooks';
import { listRuns } from '../api/runs.ts';
import { MOST_RUNS } from './settings.ts';

interface Properties {
  run: string;
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
}

/** Runs to put beside this one. */
export function ComparePicker({ run, chosen, onChange }: Properties) {
  const [names, setNames] = useState<string[]>();
  const [hasMore, setHasMore] = useState(false);
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const closeOutside = ({ target }: Event): void => {
      if (menu.current?.contains(target as Node) === false) menu.current.open = false;
    };
    document.addEventListener('pointerdown', closeOutside);
    return () => document.removeEventListener('pointerdown', closeOutside);
  }, []);

  const load = async (): Promise<void> => {
    if (menu.current?.open !== true) return;
    const { runs, next } = await listRuns();
    setNames(runs.map(({ run }) => run));
    setHasMore(next !== undefined);
  };
  const close = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    menu.current!.open = false;
    menu.current!.querySelector('summary')!.focus();
  };
  const others = [...new Set([...chosen, ...(names ?? [])])].filter((name) => name !== run);
  const isFull = chosen.length >= MOST_RUNS - 1;
  return (
    <details ref={menu} class="menu" onToggle={() => void load()} onKeyDown={close}>
      <summary>Compare{chosen.length > 0 && ` (${chosen.length})`}</summary>
      <fieldset>
        <legend>Up to {MOST_RUNS - 1} other runs</legend>
        {names !== undefined && others.length === 0 && <p class="muted">There is no other run.</p>}
        {hasMore && (
          <p class="muted small">Of the newest {names!.length} runs; the list of runs compares older ones.</p>
        )}
        {others.map((name) => {
          const isChosen = chosen.includes(name);
          return (
            <label key={name}>
              <input
                type="checkbox"
                checked={isChosen}
                disabled={isFull && !isChosen}
                onChange={() => onChange(isChosen ? chosen.filter((other) => other !== name) : [...chosen, name])}
              />
              {name}
            </label>
          );
        })}
      </fieldset>
    </details>
  );
}
