import { ClampedText } from '../ui/clamped-text.tsx';

/** Notes on a run, as plain text. */
export function Notes({ notes }: { notes: string }) {
  if (notes.trim() === '') return null;
  return (
    <section class="card notes" aria-labelledby="notes-title">
      <h2 id="notes-title">Notes</h2>
      <ClampedText text={notes} />
    </section>
  );
}
