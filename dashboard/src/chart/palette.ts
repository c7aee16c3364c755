/** The colours of the style sheets, for what is drawn on a canvas. */
export interface Palette {
  curves: string[];
  bad: string;
  onBad: string;
  warn: string;
  text: string;
  grid: string;
  surface: string;
  accent: string;
}

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    curves: [0, 1, 2, 3, 4].map((k) => colour(`curve-${k}`)),
    bad: colour('bad'),
    onBad: colour('on-bad'),
    warn: colour('warn'),
    text: colour('muted'),
    grid: colour('grid'),
    surface: colour('surface'),
    accent: colour('accent'),
  };
}
