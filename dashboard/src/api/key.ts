/** The key that this tab sends. It is gone with the tab: sessionStorage, and not localStorage. */
const STORED_AS = 'lossmeter-key';

/** While a key is asked for: why the last one would not do, if there was one. */
export interface Question {
  refusal: string | undefined;
}

let question: Question | undefined;
let waiting: (() => void)[] = [];
const listeners = new Set<() => void>();

export const currentKey = (): string | undefined => sessionStorage.getItem(STORED_AS) ?? undefined;

export const currentQuestion = (): Question | undefined => question;

/** Asks whoever looks at the page for a key. Everything that is refused meanwhile waits for the same answer. */
export function askForKey(refusal: string | undefined): Promise<void> {
  question = { refusal };
  notify();
  return new Promise((resolve) => {
    waiting.push(resolve);
  });
}

/** Takes a key, or undefined to go on without. */
export function giveKey(key: string | undefined): void {
  if (key === undefined) sessionStorage.removeItem(STORED_AS);
  else sessionStorage.setItem(STORED_AS, key);
  question = undefined;
  const released = waiting;
  waiting = [];
  notify();
  for (const resolve of released) resolve();
}

/** Calls a listener at each change of the key, until the result is called. */
export function onKeyChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function notify(): void {
  for (const listener of listeners) listener();
}
