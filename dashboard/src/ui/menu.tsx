import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

interface Properties {
  name: ComponentChildren;
  /** Caption of the controls. */
  legend: string;
  /** Renders the controls. Called only while the menu is open. */
  children: () => ComponentChildren;
}

/** Button that opens controls. A press outside or Escape closes them. */
export function Menu({ name, legend, children }: Properties) {
  const [isOpen, setIsOpen] = useState(false);
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const closeOutside = ({ target }: Event): void => {
      if (menu.current?.contains(target as Node) === false) menu.current.open = false;
    };
    document.addEventListener('pointerdown', closeOutside);
    return () => document.removeEventListener('pointerdown', closeOutside);
  }, []);

  const close = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    menu.current!.open = false;
    menu.current!.querySelector('summary')!.focus();
  };
  return (
    <details ref={menu} class="menu" onToggle={(event) => setIsOpen(event.currentTarget.open)} onKeyDown={close}>
      <summary>{name}</summary>
      <fieldset>
        <legend>{legend}</legend>
        {isOpen && children()}
      </fieldset>
    </details>
  );
}
