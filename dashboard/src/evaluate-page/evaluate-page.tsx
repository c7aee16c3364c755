import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ProblemError } from '../../../clients/typescript/src/problem.ts';
import type { Evaluation } from '../api/types.ts';
import { DiagnosticsView } from '../ui/diagnostics-view.tsx';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { DropZone } from './drop-zone.tsx';
import { UnreadableFileError, evaluateFile } from './evaluate.ts';
import { EvaluationView } from './evaluation-view.tsx';

type Outcome =
  | { state: 'none' }
  | { state: 'busy' }
  | { state: 'done'; evaluation: Evaluation }
  | { state: 'failed'; error: unknown };

/** Evaluates a batch that lies in a file. */
export function EvaluatePage() {
  const [file, setFile] = useState<File>();
  const [outcome, setOutcome] = useState<Outcome>({ state: 'none' });
  const running = useRef<AbortController | undefined>(undefined);
  const take = useCallback((file: File): void => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    const finish = (outcome: Outcome): void => {
      if (!controller.signal.aborted) setOutcome(outcome);
    };
    setFile(file);
    setOutcome({ state: 'busy' });
    evaluateFile(file, controller.signal).then(
      (evaluation) => finish({ state: 'done', evaluation }),
      (error: unknown) => finish({ state: 'failed', error }),
    );
  }, []);
  useEffect(() => () => running.current?.abort(), []);

  return (
    <div class="page narrow">
      <div class="page-head">
        <h1>Evaluate a file</h1>
      </div>
      <DropZone onFile={take} />
      <div aria-live="polite" aria-busy={outcome.state === 'busy'}>
        {outcome.state === 'busy' && <p class="muted">Evaluating {file?.name}…</p>}
        {outcome.state === 'failed' && <Failure error={outcome.error} />}
        {outcome.state === 'done' && (
          <EvaluationView name={file!.name} bytes={file!.size} evaluation={outcome.evaluation} />
        )}
      </div>
    </div>
  );
}

/** A loss that was to be rejected for being not finite comes as a problem, with the same diagnostics. */
function Failure({ error }: { error: unknown }) {
  const diagnostics = error instanceof ProblemError ? error.problem.diagnostics : undefined;
  return (
    <>
      <ProblemNotice
        error={error}
        {...(error instanceof UnreadableFileError && { title: 'This file is not evaluated' })}
      />
      {diagnostics !== undefined && !('truncated' in diagnostics) && (
        <section class="card" aria-label="Diagnostics">
          <DiagnosticsView diagnostics={diagnostics} />
        </section>
      )}
    </>
  );
}
