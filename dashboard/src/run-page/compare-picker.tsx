import { Menu } from '../ui/menu.tsx';
import { OtherRuns } from './other-runs.tsx';
import { MOST_RUNS } from './settings.ts';

interface Properties {
  run: string;
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
}

/** Menu of the runs to compare with this run. */
export function ComparePicker({ run, chosen, onChange }: Properties) {
  return (
    <Menu
      name={`Compare${chosen.length > 0 ? ` (${chosen.length})` : ''}`}
      legend={`Up to ${MOST_RUNS - 1} other runs`}
    >
      {() => <OtherRuns run={run} chosen={chosen} onChange={onChange} />}
    </Menu>
  );
}
