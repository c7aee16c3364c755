import { useState } from 'preact/hooks';
import { THEMES, currentTheme, setTheme } from './theme.ts';

const SYMBOLS = { auto: '◐', light: '☀', dark: '☾' };

export function ThemeToggle() {
  const [theme, setShown] = useState(currentTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!;
  const toggle = (): void => {
    setTheme(next);
    setShown(next);
  };
  return (
    <button type="button" class="quiet" onClick={toggle} aria-label={`Theme: ${theme}. Change to ${next}`}>
      <span aria-hidden="true">{SYMBOLS[theme]}</span> <span class="theme-name">{theme}</span>
    </button>
  );
}
