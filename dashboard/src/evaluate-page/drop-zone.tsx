import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { FileInput } from './file-input.tsx';

interface Properties {
  input: RefObject<HTMLInputElement | null>;
  onFiles: (files: File[]) => void;
}

/**
 * Area in which files are dropped or chosen. Files dropped outside it are taken too: otherwise the browser leaves the page
 * and opens them.
 */
export function DropZone({ input, onFiles }: Properties) {
  const [isOver, setIsOver] = useState(false);
  useEffect(() => {
    const over = (event: DragEvent): void => {
      event.preventDefault();
      setIsOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setIsOver(false);
    };
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      setIsOver(false);
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length > 0) onFiles(files);
    };
    document.addEventListener('dragover', over);
    document.addEventListener('dragleave', leave);
    document.addEventListener('drop', drop);
    return () => {
      document.removeEventListener('dragover', over);
      document.removeEventListener('dragleave', leave);
      document.removeEventListener('drop', drop);
    };
  }, [onFiles]);

  return (
    <FileInput
      class={isOver ? 'drop over' : 'drop'}
      name="Choose a file to evaluate"
      multiple
      input={input}
      onFiles={onFiles}
    >
      <span class="drop-symbol" aria-hidden="true">
        ⤓
      </span>
      <strong>Drop a file, or choose one</strong>
      <span class="muted">
        safetensors, NumPy (.npz), MessagePack or JSON with logits and label, or two .npy files; the service does not
        keep them
      </span>
      <span class="muted">
        To compare two sets of logits, drop two safetensors files, or one with the tensors logits and reference
      </span>
    </FileInput>
  );
}
