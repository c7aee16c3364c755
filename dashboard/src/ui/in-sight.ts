import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** So far below the window something is made ready, in CSS pixels. */
const AHEAD = 60;

/** True while an element is on the screen, or nearly. */
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
