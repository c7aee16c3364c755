import type uPlot from 'uplot';
import type { Zoom } from './zoom.ts';
import { moved } from './view.ts';

/** What is in sight of both axes. */
export interface Sight {
  x: Zoom;
  y: Zoom;
}

export function sightOf({ scales: { x, y } }: uPlot): Sight | undefined {
  if (x?.min == null || x.max == null || y?.min == null || y.max == null) return undefined;
  return { x: { from: x.min, to: x.max }, y: { from: y.min, to: y.max } };
}

/** Moves what is in sight with the pointer, from a press on. @param onMove called with the new sight */
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
