import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** Distance from the window within which an element counts as visible, in CSS pixels. */
const AHEAD = 60;

/** Returns true while an element is on the screen, or within AHEAD of it. */
export function useIsInSight(element: RefObject<Element | null>): boolean {
  const [isInSight, setIsInSight] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setIsInSight(entries.at(-1)!.isIntersecting), {
      rootMargin: `${AHEAD}px 0px`,
    });
    observer.observe(element.current!);
    return () => observer.disconnect();
  }, []);
  return isInSight;
}
