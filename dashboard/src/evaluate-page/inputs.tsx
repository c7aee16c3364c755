import { useState } from 'preact/hooks';
import { sampleFile } from './sample.ts';

/** Inputs other than a file: a sample, and pasted text. */
export function Inputs({ onFile }: { onFile: (file: File) => void }) {
  const [text, setText] = useState('');
  const save = (): void => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(sampleFile());
    link.download = 'sample.json';
    link.click();
    // The browser reads it after the click has returned.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  return (
    <div class="inputs">
      <span class="sample">
        Without a file at hand:
        <button type="button" onClick={() => onFile(sampleFile())}>
          Try a sample
        </button>
        <button type="button" onClick={save}>
          Download the sample
        </button>
      </span>
      <details class="card paste">
        <summary>Paste JSON</summary>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            onFile(new File([text], 'pasted.json'));
          }}
        >
          <textarea
            aria-label="A batch as JSON"
            rows={8}
            spellcheck={false}
            placeholder='{"logits": [[1.5, 0.2], [0.3, 2.1]], "label": [0, 1]}'
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
          />
          <button type="submit" class="primary" disabled={text.trim() === ''}>
            Evaluate the text
          </button>
        </form>
      </details>
    </div>
  );
}
