import { useEffect, useState } from 'preact/hooks';
import { parseHash } from './hash.ts';
import type { Place } from './hash.ts';

const listeners = new Set<() => void>();

const currentPlace = (): Place => parseHash(location.hash);

/** Goes to another page and adds a history entry. */
export function navigate(hash: string): void {
  location.hash = hash;
}

/** Changes the settings in the address without a history entry: a slider would add a hundred. */
export function replaceHash(hash: string): void {
  if (hash === location.hash) return;
  history.replaceState(null, '', hash);
  for (const listener of listeners) listener();
}

/** Returns the location of the page. Components that use it are rendered again when it changes. */
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
