import { useRef } from 'preact/hooks';
import type { ComparedFiles } from '../comparison/compare-files.ts';
import { formatBytes } from '../format/numbers.ts';
import { FileInput } from './file-input.tsx';

interface Properties {
  files: ComparedFiles;
  onChange: (files: ComparedFiles | undefined) => void;
}

/** The chosen files by their roles, with the controls to add a reference, swap and remove. */
export function ChosenFiles({ files, onChange }: Properties) {
  const { logits, reference } = files;
  const isPair = reference !== undefined;
  const input = useRef<HTMLInputElement>(null);
  const removeReference = (): void => {
    onChange({ logits, reference: undefined });
    input.current?.focus();
  };
  return (
    <section class="card chosen" aria-label="Chosen files">
      <ul>
        <Chosen
          role={isPair ? 'Logits' : 'File'}
          file={logits}
          onRemove={() => onChange(isPair ? { logits: reference, reference: undefined } : undefined)}
        />
        {isPair && <Chosen role="Reference" file={reference} onRemove={removeReference} />}
      </ul>
      <div class="chosen-actions">
        <FileInput
          class="file-button"
          name={isPair ? 'Choose another reference' : 'Compare with a reference'}
          input={input}
          onFiles={([file]) => onChange({ logits, reference: file })}
        >
          <span aria-hidden="true">{isPair ? 'Choose another reference' : 'Compare with a reference'}</span>
        </FileInput>
        {isPair && (
          <button type="button" onClick={() => onChange({ logits: reference, reference: logits })}>
            Swap
          </button>
        )}
      </div>
    </section>
  );
}

function Chosen({ role, file, onRemove }: { role: string; file: File; onRemove: () => void }) {
  return (
    <li>
      <span class="muted">{role}</span>
      <span class="chosen-name">
        {file.name} <span class="muted small">{formatBytes(file.size)}</span>
      </span>
      <button type="button" class="quiet" onClick={onRemove} aria-label={`Remove ${file.name}`}>
        Remove
      </button>
    </li>
  );
}
