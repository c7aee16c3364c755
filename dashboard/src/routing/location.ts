import { useEffect, useState } from 'preact/hooks';
import { parseHash } from './hash.ts';
import type { Place } from './hash.ts';

const listeners = new Set<() => void>();

const currentPlace = (): Place => parseHash(location.hash);

/** Goes to another page, which `back` returns from. */
export function navigate(hash: string): void {
  location.hash = hash;
}

/** Changes the settings in the address; a slider must not leave a hundred entries for `back`. */
export function replaceHash(hash: string): void {
  if (hash === location.hash) return;
  history.replaceState(null, '', hash);
  for (const listener of listeners) listener();
}

/** Where the page is; what uses it is drawn again when that changes. */
export function usePlace(): Place {
  const [place, setPlace] = useState(currentPlace);
  useEffect(() => {
    const update = (): void => setPlace(currentPlace());
    listeners.add(update);
    window.addEventListener('hashchange', update);
    return () => {
      listeners.delete(update);
      window.removeEventListener('hashchange', update);
    };
  }, []);
  return place;
}
