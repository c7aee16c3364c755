import { useEffect, useState } from 'preact/hooks';

/** Where a file is dropped or chosen. One that misses the frame counts too: the browser would leave the page for it. */
export function DropZone({ onFile }: { onFile: (file: File) => void }) {
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
      const file = event.dataTransfer?.files[0];
      if (file !== undefined) onFile(file);
    };
    document.addEventListener('dragover', over);
    document.addEventListener('dragleave', leave);
    document.addEventListener('drop', drop);
    return () => {
      document.removeEventListener('dragover', over);
      document.removeEventListener('dragleave', leave);
      document.removeEventListener('drop', drop);
    };
  }, [onFile]);

  const choose = (event: Event & { currentTarget: HTMLInputElement }): void => {
    const file = event.currentTarget.files?.[0];
    // The same file may be chosen again, once it was changed.
    event.currentTarget.value = '';
    if (file !== undefined) onFile(file);
  };
  return (
    <label class={isOver ? 'drop over' : 'drop'}>
      <input type="file" class="hidden" onChange={choose} aria-label="Choose a file to evaluate" />
      <span class="drop-symbol" aria-hidden="true">
        ⤓
      </span>
      <strong>Drop a file, or choose one</strong>
      <span class="muted">
        safetensors, MessagePack or JSON with logits and label; it goes to the service, and is not kept
      </span>
    </label>
  );
}
