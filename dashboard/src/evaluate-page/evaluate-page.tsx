import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ProblemError } from '../../../clients/typescript/src/problem.ts';
import { addressOf } from '../api/request.ts';
import { rolesOf } from '../comparison/compare-files.ts';
import type { ComparedFiles } from '../comparison/compare-files.ts';
import { ComparisonView } from '../comparison/comparison-view.tsx';
import { SideDiagnostics } from '../comparison/side-diagnostics.tsx';
import { joinArrays } from '../files/numpy.ts';
import type { FileOptions } from '../files/options.ts';
import { UnreadableFileError } from '../files/unreadable-file.ts';
import { DiagnosticsView } from '../ui/diagnostics-view.tsx';
import { ProblemNotice } from '../ui/problem-notice.tsx';
import { ChosenFiles } from './chosen-files.tsx';
import { DropZone } from './drop-zone.tsx';
import { evaluateFiles } from './evaluate.ts';
import type { Answer } from './evaluate.ts';
import { EvaluationView } from './evaluation-view.tsx';
import { Inputs } from './inputs.tsx';
import { OptionsForm } from './options-form.tsx';

type Outcome =
  | { state: 'none' }
  | { state: 'busy' }
  | { state: 'done'; answer: Answer }
  | { state: 'failed'; error: unknown };

/** Page that evaluates a batch from a file or from pasted text, or compares two sets of logits. */
export function EvaluatePage() {
  const [files, setFiles] = useState<ComparedFiles>();
  const [options, setOptions] = useState<FileOptions>({});
  const latest = useRef(options);
  const [outcome, setOutcome] = useState<Outcome>({ state: 'none' });
  const running = useRef<AbortController | undefined>(undefined);
  const dropInput = useRef<HTMLInputElement>(null);
  const reference = files?.reference;

  /** Aborts a pending evaluation and evaluates other files. @param find finds the files and their roles */
  const run = useCallback((find: () => Promise<ComparedFiles>): void => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    const finish = (outcome: Outcome): void => {
      if (!controller.signal.aborted) setOutcome(outcome);
    };
    const evaluate = async (): Promise<Answer> => {
      const files = await find();
      if (!controller.signal.aborted) setFiles(files);
      return await evaluateFiles(files, latest.current, controller.signal);
    };
    setOutcome({ state: 'busy' });
    evaluate().then(
      (answer) => finish({ state: 'done', answer }),
      (error: unknown) => finish({ state: 'failed', error }),
    );
  }, []);
  const change = (files: ComparedFiles | undefined): void => {
    if (files !== undefined) return run(() => Promise.resolve(files));
    running.current?.abort();
    setFiles(undefined);
    setOutcome({ state: 'none' });
    dropInput.current?.focus();
  };
  const take = useCallback(
    (given: File[]): void => {
      const [first, second] = given;
      run(async () => {
        if (given.length > 2) throw new UnreadableFileError(`expected one file or two, got ${given.length}`);
        const joined = second && (await joinArrays(first!, second));
        if (joined !== undefined) return { logits: joined, reference: undefined };
        return second === undefined ? { logits: first!, reference } : await rolesOf(first!, second);
      });
    },
    [run, reference],
  );
  const choose = (options: FileOptions): void => {
    latest.current = options;
    setOptions(options);
    if (files !== undefined) change(files);
  };
  useEffect(() => () => running.current?.abort(), []);

  return (
    <div class="page narrow">
      <div class="page-head">
        <h1>Evaluate a file</h1>
        <a href={addressOf('docs')}>Manual of the API</a>
      </div>
      <DropZone input={dropInput} onFiles={take} />
      <Inputs onFile={(file) => take([file])} />
      <OptionsForm options={options} onChange={choose} />
      {files !== undefined && <ChosenFiles files={files} onChange={change} />}
      <div aria-live="polite" aria-busy={outcome.state === 'busy'}>
        {outcome.state === 'busy' && <p class="muted">Evaluating {files && namesOf(files)}…</p>}
        {outcome.state === 'failed' && <Failure error={outcome.error} isPair={reference !== undefined} />}
        {outcome.state === 'done' && <AnswerView files={files!} answer={outcome.answer} />}
      </div>
    </div>
  );
}

const namesOf = ({ logits, reference }: ComparedFiles): string =>
  reference === undefined ? logits.name : `${logits.name} against ${reference.name}`;

function AnswerView({ files, answer }: { files: ComparedFiles; answer: Answer }) {
  if (answer.is === 'comparison') return <ComparisonView title={namesOf(files)} comparison={answer.comparison} />;
  return <EvaluationView name={files.logits.name} bytes={files.logits.size} evaluation={answer.evaluation} />;
}

/** Error of an evaluation. The problem of a rejected non-finite loss has the diagnostics of an evaluation. */
function Failure({ error, isPair }: { error: unknown; isPair: boolean }) {
  const diagnostics = error instanceof ProblemError ? error.problem.diagnostics : undefined;
  return (
    <>
      <ProblemNotice
        error={error}
        {...(error instanceof UnreadableFileError && {
          title: isPair ? 'These files cannot be compared' : 'This file cannot be evaluated',
        })}
      />
      {diagnostics !== undefined && (
        <section class="card" aria-label="Diagnostics">
          {'truncated' in diagnostics ? (
            <SideDiagnostics diagnostics={diagnostics} />
          ) : (
            <DiagnosticsView diagnostics={diagnostics} />
          )}
        </section>
      )}
    </>
  );
}
