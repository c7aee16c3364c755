import type uPlot from 'uplot';
import type { Curve } from '../series/curve.ts';
import type { Marker, MarkerKind } from '../series/markers.ts';
import type { Palette } from './palette.ts';

/** Half the height of a marker, in CSS pixels. */
const RADIUS = 6;

/** Least distance of two glyphs, in CSS pixels. Of closer glyphs only the first is drawn. */
const SPACING = { bad: 3, spike: 9 };

/** Draws the markers of a curve. Non-finite steps are drawn over spikes: a run that diverges has many spikes. */
export function drawMarkers(plot: uPlot, { x, markers }: Curve, palette: Palette): void {
  const isSpike = ({ kind }: Marker): boolean => kind === 'spike';
  const bad = markers.filter((marker) => !isSpike(marker));
  drawGlyphs(plot, x, markers.filter(isSpike), palette, SPACING.spike);
  drawLines(plot, x, bad, palette.bad);
  drawGlyphs(plot, x, bad, palette, SPACING.bad);
}

function drawGlyphs(plot: uPlot, x: Curve['x'], markers: Marker[], palette: Palette, spacing: number): void {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  const [highest, lowest] = [bbox.top + RADIUS * scale, bbox.top + bbox.height - RADIUS * scale];
  let last = -Infinity;
  for (const { kind, index, loss } of markers) {
    const left = plot.valToPos(x[index]!, 'x', true);
    if (!isInSight(left, bbox) || left - last < spacing * scale) continue;
    last = left;
    const top = loss === null ? lowest : plot.valToPos(loss, 'y', true);
    ctx.save();
    ctx.translate(left, Math.min(lowest, Math.max(highest, top)));
    ctx.scale(scale, scale);
    GLYPHS[kind](ctx, palette);
    ctx.restore();
  }
}

/** Draws lines from top to bottom at markers, which stay visible where the curve is dense. */
function drawLines(plot: uPlot, x: Curve['x'], markers: Marker[], colour: string): void {
  const { ctx, bbox } = plot;
  let last = -Infinity;
  ctx.save();
  ctx.globalAlpha = 0.3;
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (const { index } of markers) {
    const left = plot.valToPos(x[index]!, 'x', true);
    if (!isInSight(left, bbox) || left - last < 1) continue;
    last = left;
    ctx.moveTo(left, bbox.top);
    ctx.lineTo(left, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.restore();
}

const isInSight = (left: number, bbox: uPlot.BBox): boolean =>
  left >= bbox.left - 1 && left <= bbox.left + bbox.width + 1;

type Glyph = (ctx: CanvasRenderingContext2D, palette: Palette) => void;

/** Glyphs differ in shape as well as colour: not every reader can distinguish red from amber. */
const GLYPHS: Record<MarkerKind, Glyph> = {
  nan: cross,
  bad_batch: cross,
  pos_inf: (ctx, palette) => {
    triangle(ctx, -1);
    fillWithRim(ctx, palette.bad, palette.surface);
  },
  neg_inf: (ctx, palette) => {
    triangle(ctx, 1);
    fillWithRim(ctx, palette.bad, palette.surface);
  },
  spike: (ctx, palette) => {
    ctx.beginPath();
    ctx.moveTo(0, -RADIUS);
    ctx.lineTo(RADIUS, 0);
    ctx.lineTo(0, RADIUS);
    ctx.lineTo(-RADIUS, 0);
    ctx.closePath();
    fillWithRim(ctx, palette.warn, palette.surface);
  },
};

function cross(ctx: CanvasRenderingContext2D, palette: Palette): void {
  ctx.beginPath();
  ctx.arc(0, 0, RADIUS, 0, 2 * Math.PI);
  fillWithRim(ctx, palette.bad, palette.surface);
  const arm = RADIUS * 0.42;
  ctx.beginPath();
  ctx.moveTo(-arm, -arm);
  ctx.lineTo(arm, arm);
  ctx.moveTo(arm, -arm);
  ctx.lineTo(-arm, arm);
  ctx.strokeStyle = palette.onBad;
  ctx.lineWidth = 1.8;
  ctx.lineCap = 'round';
  ctx.stroke();
}

/** Draws a triangle that points upwards for −1 and downwards for 1. */
function triangle(ctx: CanvasRenderingContext2D, direction: 1 | -1): void {
  ctx.beginPath();
  ctx.moveTo(0, direction * RADIUS * 1.15);
  ctx.lineTo(RADIUS * 1.1, -direction * RADIUS * 0.8);
  ctx.lineTo(-RADIUS * 1.1, -direction * RADIUS * 0.8);
  ctx.closePath();
}

function fillWithRim(ctx: CanvasRenderingContext2D, colour: string, rim: string): void {
  ctx.lineJoin = 'round';
  ctx.strokeStyle = rim;
  ctx.lineWidth = 3;
  ctx.stroke();
  ctx.fillStyle = colour;
  ctx.fill();
}
