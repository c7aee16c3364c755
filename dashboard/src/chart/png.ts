import type uPlot from 'uplot';
import type { Curve } from '../series/curve.ts';
import { readPalette } from './palette.ts';

/** Space for the title and for each line of the legend, in CSS pixels. */
const LINE = 22;
const MARGIN = 16;

/** Saves a chart as a picture with its title and its legend. */
export function savePng(plot: uPlot, title: string, curves: readonly Curve[]): void {
  const { canvas: drawn } = plot.ctx;
  const scale = devicePixelRatio;
  const head = (LINE * (1 + curves.length) + MARGIN) * scale;
  const canvas = document.createElement('canvas');
  canvas.width = drawn.width;
  canvas.height = drawn.height + head;
  const ctx = canvas.getContext('2d')!;
  const { surface, text, curve } = readPalette();
  ctx.fillStyle = surface;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.drawImage(drawn, 0, head);
  ctx.scale(scale, scale);
  ctx.fillStyle = text;
  ctx.font = '600 15px system-ui, sans-serif';
  ctx.fillText(title, MARGIN, LINE);
  ctx.font = '13px system-ui, sans-serif';
  curves.forEach(({ name, colour }, k) => {
    const y = LINE * (k + 2);
    ctx.fillStyle = curve(colour);
    ctx.fillRect(MARGIN, y - 6, 16, 4);
    ctx.fillStyle = text;
    ctx.fillText(name, MARGIN + 24, y);
  });
  const link = document.createElement('a');
  link.href = canvas.toDataURL('image/png');
  link.download = `${title.replaceAll(/[^\p{L}\p{N}.=-]+/gu, '-')}.png`;
  link.click();
}
