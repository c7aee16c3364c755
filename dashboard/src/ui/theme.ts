import { useEffect, useState } from 'preact/hooks';

/** Themes: light, dark, or that of the system. */
export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const STORED_AS = 'lossmeter-theme';
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();
systemIsDark.addEventListener('change', applyTheme);

export const currentTheme = (): Theme => THEMES.find((theme) => theme === localStorage.getItem(STORED_AS)) ?? 'auto';

export function setTheme(theme: Theme): void {
  localStorage.setItem(STORED_AS, theme);
  applyTheme();
}

/** Sets the attribute that the style sheets read. With a media query for `auto`, they would have each colour twice. */
export function applyTheme(): void {
  document.documentElement.dataset['theme'] = isDarkNow() ? 'dark' : 'light';
  for (const listener of listeners) listener();
}

/** Returns true when the page is dark. Canvases are redrawn when that changes. */
export function useIsDark(): boolean {
  const [isDark, setIsDark] = useState(isDarkNow);
  useEffect(() => {
    const update = (): void => setIsDark(isDarkNow());
    listeners.add(update);
    return () => void listeners.delete(update);
  }, []);
  return isDark;
}

function isDarkNow(): boolean {
  const theme = currentTheme();
  return theme === 'auto' ? systemIsDark.matches : theme === 'dark';
}
