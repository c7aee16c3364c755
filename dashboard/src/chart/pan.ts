import type uPlot from 'uplot';
import type { Zoom } from './zoom.ts';
import { moved } from './view.ts';

/** Visible part of both axes. */
export interface Sight {
  x: Zoom;
  y: Zoom;
}

export function sightOf({ scales: { x, y } }: uPlot): Sight | undefined {
  const [across, along] = [rangeOf(x), rangeOf(y)];
  return across && along && { x: across, y: along };
}

/** Visible part of a scale; undefined for a scale without points. */
function rangeOf(scale: uPlot.Scale | undefined): Zoom | undefined {
  const { min: from, max: to } = scale ?? {};
  return typeof from === 'number' && typeof to === 'number' ? { from, to } : undefined;
}

/** Moves the visible part with the pointer until its button is released. @param onMove called with the new visible part */
export function panFrom(plot: uPlot, press: MouseEvent, log: boolean, onMove: (sight: Sight) => void): void {
  const begin = sightOf(plot);
  if (begin === undefined) return;
  const { width, height } = plot.over.getBoundingClientRect();
  const move = (event: MouseEvent): void => {
    onMove({
      x: moved(begin.x, (press.clientX - event.clientX) / width),
      y: moved(begin.y, (event.clientY - press.clientY) / height, log),
    });
  };
  const end = (): void => {
    document.removeEventListener('mousemove', move);
    document.removeEventListener('mouseup', end);
  };
  document.addEventListener('mousemove', move);
  document.addEventListener('mouseup', end);
}
