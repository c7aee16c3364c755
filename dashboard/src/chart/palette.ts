import type { CurveColour } from '../series/curve.ts';

/** Colours of the style sheets, for drawing on a canvas. */
export interface Palette {
  curve: (colour: CurveColour) => string;
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
    curve: (name) => colour(`curve-${name}`),
    bad: colour('bad'),
    onBad: colour('on-bad'),
    warn: colour('warn'),
    text: colour('muted'),
    grid: colour('grid'),
    surface: colour('surface'),
    accent: colour('accent'),
  };
}
