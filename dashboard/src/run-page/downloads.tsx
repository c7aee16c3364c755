import { useState } from 'preact/hooks';
import { download, needsKey } from '../api/download.ts';
import { addressOf } from '../api/request.ts';
import { exportPathOf } from '../api/runs.ts';
import { ProblemNotice } from '../ui/problem-notice.tsx';

/** Links to download every step of a run. */
export function Downloads({ run }: { run: string }) {
  const [error, setError] = useState<unknown>();
  return (
    <div class="downloads">
      <span>Download every step:</span>
      {(['csv', 'jsonl'] as const).map((format) => {
        const path = exportPathOf(run, format);
        const name = `${run}.${format}`;
        const withKey = (event: Event): void => {
          if (!needsKey()) return;
          event.preventDefault();
          download(path, name).then(() => setError(undefined), setError);
        };
        return (
          <a key={format} href={addressOf(path)} download={name} onClick={withKey}>
            {format.toUpperCase()}
          </a>
        );
      })}
      {error !== undefined && <ProblemNotice error={error} />}
    </div>
  );
}
