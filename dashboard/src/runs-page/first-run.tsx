import { addressOf } from '../api/request.ts';

/** Instructions for an empty history. */
export function FirstRun() {
  const example = `curl -X PUT ${addressOf('v1/runs/first/steps/1/ranks/0')} \\
  -H 'Content-Type: application/json' \\
  -d '{"logits": [[1.5, 0.2], [0.3, 2.1]], "label": [0, 1]}'`;
  return (
    <section class="card first-run">
      <h2>Nothing is recorded yet</h2>
      <p class="muted">Record the loss of a step; the run appears here by itself.</p>
      <pre tabIndex={0}>{example}</pre>
    </section>
  );
}
