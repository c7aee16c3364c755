import { useEffect } from 'preact/hooks';

/**
 * Calls at once, and again after each call has ended and `milliseconds` have passed. Pauses while the page is hidden, and
 * calls at once when it is visible again.
 */
export function usePolling(
  call: (signal: AbortSignal) => Promise<void>,
  milliseconds: number,
  dependencies: readonly unknown[],
): void {
  useEffect(() => {
    const controller = new AbortController();
    let timer = 0;
    let isCalling = false;
    const poll = async (): Promise<void> => {
      if (document.hidden || isCalling) return;
      clearTimeout(timer);
      isCalling = true;
      await call(controller.signal);
      isCalling = false;
      if (!controller.signal.aborted) timer = window.setTimeout(pollSoon, milliseconds);
    };
    const pollSoon = (): void => void poll();
    document.addEventListener('visibilitychange', pollSoon);
    pollSoon();
    return () => {
      document.removeEventListener('visibilitychange', pollSoon);
      controller.abort();
      clearTimeout(timer);
    };
  }, dependencies);
}
