import { useEffect, useRef, useState } from 'preact/hooks';
import { OtherRuns } from './other-runs.tsx';
import { MOST_RUNS } from './settings.ts';

interface Properties {
  run: string;
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
}

/** Runs to put beside this one. */
export function ComparePicker({ run, chosen, onChange }: Properties) {
  const [isOpen, setIsOpen] = useState(false);
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const closeOutside = ({ target }: Event): void => {
      if (menu.current?.contains(target as Node) === false) menu.current.open = false;
    };
    document.addEventListener('pointerdown', closeOutside);
    return () => document.removeEventListener('pointerdown', closeOutside);
  }, []);

  const close = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    menu.current!.open = false;
    menu.current!.querySelector('summary')!.focus();
  };
  return (
    <details ref={menu} class="menu" onToggle={(event) => setIsOpen(event.currentTarget.open)} onKeyDown={close}>
      <summary>Compare{chosen.length > 0 && ` (${chosen.length})`}</summary>
      <fieldset>
        <legend>Up to {MOST_RUNS - 1} other runs</legend>
        {isOpen && <OtherRuns run={run} chosen={chosen} onChange={onChange} />}
      </fieldset>
    </details>
  );
}
