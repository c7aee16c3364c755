import type { ComponentChildren, RefObject } from 'preact';

interface Properties {
  class: string;
  /** Name of the input, for those who cannot see it. */
  name: string;
  multiple?: boolean;
  /** The input, which takes the focus of a control that is removed. */
  input: RefObject<HTMLInputElement | null>;
  onFiles: (files: File[]) => void;
  children: ComponentChildren;
}

/** A label by which files are chosen. */
export function FileInput({ class: className, name, multiple = false, input, onFiles, children }: Properties) {
  const choose = (event: Event & { currentTarget: HTMLInputElement }): void => {
    const files = [...(event.currentTarget.files ?? [])];
    // The same file may be chosen again, once it was changed.
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
