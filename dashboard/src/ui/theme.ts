import { useEffect, useState } from 'preact/hooks';

/** Light, dark, or the theme of the system. */
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

/** The style sheets go by this attribute. They cannot ask the system: then each colour would stand in them twice. */
export function applyTheme(): void {
  document.documentElement.dataset['theme'] = isDarkNow() ? 'dark' : 'light';
  for (const listener of listeners) listener();
}

/** True when the page is dark now. Canvases are drawn again when that changes. */
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
