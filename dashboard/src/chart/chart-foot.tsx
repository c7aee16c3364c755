import { formatCount, formatLoss } from '../format/numbers.ts';
import type { ClippedRange } from './y-range.ts';
import { ZoomButtons } from './zoom-buttons.tsx';

interface Properties {
  /** Text description of the curves. */
  description: string;
  descriptionId: string;
  clip: boolean;
  clipped: ClippedRange | undefined;
  isPanel: boolean;
  isZoomed: boolean;
  onZoom: (factor: number) => void;
  onStretch: (factor: number) => void;
  onPan: (across: number, along: number) => void;
  onReset: () => void;
  onPng: () => void;
}

/** Foot of a chart: its description, keys and buttons. */
export function ChartFoot({ description, descriptionId, clip, clipped, isPanel, onPng, ...zoom }: Properties) {
  return (
    <figcaption>
      <span id={descriptionId} class="hidden chart-description">
        {description}
      </span>
      {clip && <span class="chart-note">{describeClip(clipped)}</span>}
      {!isPanel && (
        <span class="chart-keys">
          Drag to zoom, with <kbd>Shift</kbd> to move, click for details. Keys: <kbd>←</kbd> <kbd>→</kbd> steps,{' '}
          <kbd>N</kbd> <kbd>P</kbd> marked steps, <kbd>Enter</kbd> details, <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>I</kbd>{' '}
          <kbd>O</kbd> vertical zoom, <kbd>Shift</kbd> with arrows moves, <kbd>0</kbd> all
        </span>
      )}
      <span class="chart-buttons">
        {!isPanel && <ZoomButtons {...zoom} />}
        <button type="button" onClick={onPng} aria-label="Download as PNG">
          PNG
        </button>
      </span>
    </figcaption>
  );
}

function describeClip(clipped: ClippedRange | undefined): string {
  if (clipped === undefined) return 'No outliers are clipped.';
  const { range, outside, points } = clipped;
  return (
    `Outliers clipped: ${formatCount(outside)} of ${formatCount(points)} drawn points lie outside ` +
    `${formatLoss(range.from)} … ${formatLoss(range.to)}, the 5th to 95th percentile and a tenth more on each side.`
  );
}
