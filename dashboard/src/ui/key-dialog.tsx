import { useEffect, useRef, useState } from 'preact/hooks';
import { currentKey, currentQuestion, giveKey, onKeyChange } from '../api/key.ts';

/** Asks for a key when the service requires one. It cannot be dismissed: without a key there is nothing to show. */
export function KeyDialog() {
  const [question, setQuestion] = useState(currentQuestion);
  const dialog = useRef<HTMLDialogElement>(null);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const update = (): void => setQuestion(currentQuestion());
    update();
    return onKeyChange(update);
  }, []);
  useEffect(() => {
    if (question === undefined) dialog.current?.close();
    else if (dialog.current?.open === false) dialog.current.showModal();
  }, [question]);

  const submit = (event: Event): void => {
    event.preventDefault();
    const key = input.current!.value.trim();
    if (key === '') return;
    input.current!.value = '';
    giveKey(key);
  };
  return (
    <dialog ref={dialog} class="key-dialog" aria-labelledby="key-title" onCancel={(event) => event.preventDefault()}>
      <form onSubmit={submit}>
        <h2 id="key-title">This service requires a key</h2>
        {question?.refusal === undefined ? (
          <p class="muted">To see runs, the key needs the scope “read”; to evaluate files, the scope “evaluate”.</p>
        ) : (
          <p class="bad-text" role="alert">
            {question.refusal}
          </p>
        )}
        <label for="key-input">API key</label>
        <input ref={input} id="key-input" type="password" autocomplete="off" spellcheck={false} required />
        <p class="muted small">The key stays in this tab, and is forgotten when the tab is closed.</p>
        <button type="submit" class="primary">
          Continue
        </button>
      </form>
    </dialog>
  );
}

/** Forgets the key; the next request asks for another. */
export function ForgetKey() {
  const [key, setKey] = useState(currentKey);
  useEffect(() => onKeyChange(() => setKey(currentKey())), []);
  if (key === undefined) return null;
  const forget = (): void => {
    giveKey(undefined);
    location.reload();
  };
  return (
    <button type="button" class="quiet" onClick={forget}>
      Forget key
    </button>
  );
}
