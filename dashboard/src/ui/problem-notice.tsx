import { ProblemError } from '../../../clients/typescript/src/problem.ts';

/** Shows an error. @param title heading of an error that is not a problem of the service */
export function ProblemNotice({ error, title = 'The service cannot be reached' }: { error: unknown; title?: string }) {
  const problem = error instanceof ProblemError ? error.problem : undefined;
  const places = problem?.errors ?? [];
  return (
    <div class="notice bad" role="alert">
      <strong>{problem?.title ?? title}</strong>
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {places.length > 0 && (
        <ul>
          {places.map(({ pointer, detail }) => (
            <li key={pointer}>
              <code>{pointer}</code> {detail}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
