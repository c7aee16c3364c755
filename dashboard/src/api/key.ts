/** Item of sessionStorage that holds the key. Unlike localStorage, it ends with the tab. */
const STORED_AS = 'lossmeter-key';

/** Open question for a key, with the reason why the last key was refused, if there was one. */
export interface Question {
  refusal: string | undefined;
}

let question: Question | undefined;
let waiting: (() => void)[] = [];
const listeners = new Set<() => void>();

export const currentKey = (): string | undefined => sessionStorage.getItem(STORED_AS) ?? undefined;

export const currentQuestion = (): Question | undefined => question;

/** Asks the user for a key. Requests that are refused meanwhile wait for the same answer. */
export function askForKey(refusal: string | undefined): Promise<void> {
  question = { refusal };
  notify();
  return new Promise((resolve) => {
    waiting.push(resolve);
  });
}

/** Stores a key, or removes it when undefined, and resumes the waiting requests. */
export function giveKey(key: string | undefined): void {
  if (key === undefined) sessionStorage.removeItem(STORED_AS);
  else sessionStorage.setItem(STORED_AS, key);
  question = undefined;
  const released = waiting;
  waiting = [];
  notify();
  for (const resolve of released) resolve();
}

/** Calls a listener at each change of the key or the question, until the returned function is called. */
export function onKeyChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function notify(): void {
  for (const listener of listeners) listener();
}
