import type { RunQuery } from '../api/run-query.ts';
import { conditionsOf } from './conditions.ts';
import { FirstRun } from './first-run.tsx';

interface Properties {
  query: RunQuery;
  onChange: (changed: Partial<RunQuery>) => void;
}

/** Message for an empty list of runs. */
export function NoRuns({ query, onChange }: Properties) {
  const conditions = conditionsOf(query);
  return (
    <>
      {conditions === '' ? <FirstRun /> : <p class="muted">No run matches {conditions}.</p>}
      {query.archived === 'false' && (
        <p class="muted">
          Archived runs are left out.{' '}
          <button type="button" class="link" onClick={() => onChange({ archived: 'any' })}>
            Show archived runs
          </button>
        </p>
      )}
    </>
  );
}
