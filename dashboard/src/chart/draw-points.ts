import type uPlot from 'uplot';
import type { Curve } from '../series/curve.ts';
import type { Hover } from './hover.ts';
import type { Palette } from './palette.ts';

/** Draws the points that the tooltip describes. */
export function drawHover(plot: uPlot, curves: readonly Curve[], { points }: Hover, palette: Palette): void {
  const { ctx } = plot;
  for (const { curve, index } of points) {
    const loss = curves[curve]?.loss[index] ?? null;
    if (loss === null) continue;
    ctx.beginPath();
    ctx.arc(
      plot.valToPos(curves[curve]!.x[index]!, 'x', true),
      plot.valToPos(loss, 'y', true),
      4.5 * devicePixelRatio,
      0,
      2 * Math.PI,
    );
    ctx.fillStyle = palette.curve(curves[curve]!.colour);
    ctx.fill();
    ctx.strokeStyle = palette.surface;
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.stroke();
  }
}

/** Draws a line from top to bottom at the step whose detail is shown. */
export function drawSelection(plot: uPlot, curve: Curve | undefined, index: number, palette: Palette): void {
  const x = curve?.x[index];
  if (x === undefined) return;
  const { ctx, bbox } = plot;
  const left = plot.valToPos(x, 'x', true);
  if (left < bbox.left || left > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = palette.accent;
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(left, bbox.top);
  ctx.lineTo(left, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}
