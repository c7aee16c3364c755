import type { ComponentChildren, RefObject } from 'preact';

interface Properties {
  class: string;
  /** Accessible name of the input. */
  name: string;
  multiple?: boolean;
  /** Reference to the input, which receives the focus when a focused control is removed. */
  input: RefObject<HTMLInputElement | null>;
  onFiles: (files: File[]) => void;
  children: ComponentChildren;
}

/** Label that opens the choice of files. */
export function FileInput({ class: className, name, multiple = false, input, onFiles, children }: Properties) {
  const choose = (event: Event & { currentTarget: HTMLInputElement }): void => {
    const files = [...(event.currentTarget.files ?? [])];
    // Cleared, so that the same file can be chosen again after an edit.
    event.currentTarget.value = '';
    if (files.length > 0) onFiles(files);
  };
  return (
    <label class={className}>
      <input ref={input} type="file" class="hidden" multiple={multiple} onChange={choose} aria-label={name} />
      {children}
    </label>
  );
}
