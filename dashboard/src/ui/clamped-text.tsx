import { useLayoutEffect, useRef, useState } from 'preact/hooks';

/** Plain text with its line breaks. The style sheet cuts a long text after some lines, and a button shows the rest. */
export function ClampedText({ text }: { text: string }) {
  const [isOpen, setIsOpen] = useState(false);
  const [isCut, setIsCut] = useState(false);
  const paragraph = useRef<HTMLParagraphElement>(null);
  useLayoutEffect(() => {
    if (isOpen) return;
    const { current } = paragraph;
    const measure = (): void => setIsCut(current!.scrollHeight > current!.clientHeight);
    const observer = new ResizeObserver(measure);
    observer.observe(current!);
    measure();
    return () => observer.disconnect();
  }, [text, isOpen]);
  return (
    <>
      <p ref={paragraph} class={isOpen ? 'plain-text' : 'plain-text clamped'}>
        {text}
      </p>
      {isCut && (
        <button type="button" class="link" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
          {isOpen ? 'Less' : 'More'}
        </button>
      )}
    </>
  );
}
