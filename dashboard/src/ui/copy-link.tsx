import { useEffect, useState } from 'preact/hooks';

/** Duration of the confirmation, in milliseconds. */
const SAID_MS = 2000;

/** Copies the address of the page, which holds all settings. */
export function CopyLink() {
  const [said, setSaid] = useState('');
  useEffect(() => {
    const timer = setTimeout(() => setSaid(''), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = (): void => {
    copyText(location.href).then(
      () => setSaid('Copied'),
      () => setSaid('Copy the address of the page'),
    );
  };
  return (
    <span class="copy-link">
      <button type="button" onClick={copy}>
        Copy link
      </button>
      <span class="muted small" role="status">
        {said}
      </span>
    </span>
  );
}

async function copyText(text: string): Promise<void> {
  // The clipboard API requires a secure context. Elsewhere, a selection can be copied.
  if (isSecureContext) return navigator.clipboard.writeText(text);
  const field = document.createElement('textarea');
  field.value = text;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand('copy');
  field.remove();
  if (!isCopied) throw new Error('the browser did not copy');
}
