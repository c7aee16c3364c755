import { wordsOfCause } from '../format/causes.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import { formatMoment, formatSpan } from '../format/times.ts';
import type { Curve } from '../series/curve.ts';
import type { Hover } from './hover.ts';

interface Properties {
  /** Name of the values in the chart: `loss`, or a scalar. */
  what: string;
  hover: Hover;
  curves: readonly Curve[];
  /** True when smoothed values are drawn. */
  smoothed: boolean;
  /** Position of the point, in CSS pixels from the left edge of the chart. */
  left: number;
  width: number;
}

/** Distance between the point and the box, in CSS pixels. */
const GAP = 14;
/** Greatest width of the box, in CSS pixels. */
const MOST_WIDTH = 340;
/** Greatest width of the box, as a share of the chart. */
const MOST_SHARE = 0.7;

/** Description of the points under the pointer. Screen readers read the value of the chart instead. */
export function Tooltip({ what, hover: { points, focus }, curves, smoothed, left, width }: Properties) {
  const { began } = curves[focus.curve]!;
  const point = curves[focus.curve]!.points[focus.index]!;
  const { rank_losses: range, recorded_at: recordedAt } = point;
  const isOnRight = left > width / 2;
  const offset = (isOnRight ? width - left : left) + GAP;
  // On a narrow screen, the box covers the pointer, but does not leave the chart.
  const most = Math.min(MOST_WIDTH, MOST_SHARE * width);
  const style = { [isOnRight ? 'right' : 'left']: `${Math.min(offset, width - most)}px`, 'max-width': `${most}px` };
  return (
    <div class="tooltip" style={style} aria-hidden="true">
      <div class="tooltip-head">
        <strong>Step {formatCount(point.step)}</strong>
        {recordedAt !== undefined && <span>{formatSpan((Date.parse(recordedAt) - began) / 1000)}</span>}
      </div>
      <table>
        {smoothed && (
          <thead>
            <tr class="muted">
              <td />
              <td>{what}</td>
              <td>smoothed</td>
            </tr>
          </thead>
        )}
        <tbody>
          {points.map(({ curve, index }) => (
            <tr key={curve} class={curve === focus.curve && points.length > 1 ? 'focus' : undefined}>
              <th scope="row">
                <span class={`swatch curve-${curves[curve]!.colour}`} />{' '}
                {points.length > 1 ? curves[curve]!.name : what}
              </th>
              <td>{formatLoss(curves[curve]!.points[index]!.loss)}</td>
              {smoothed && <td>{formatLoss(curves[curve]!.smoothed[index] ?? undefined)}</td>}
            </tr>
          ))}
          {range !== undefined && point.ranks > 1 && (
            <tr class="muted">
              <th scope="row">{point.ranks} ranks</th>
              <td colSpan={smoothed ? 2 : 1}>
                {formatLoss(range.min)} … {formatLoss(range.max)}
              </td>
            </tr>
          )}
        </tbody>
      </table>
      {point.complete === false && <p class="muted">not all ranks have reported</p>}
      {point.spike && <p class="warn-text">◆ spike</p>}
      {point.causes?.map((cause) => (
        <p key={cause} class="bad-text">
          ✕ {wordsOfCause(cause)}
        </p>
      ))}
      {point.non_finite && point.causes === undefined && <p class="bad-text">✕ not finite</p>}
      {point.summary !== undefined && <p class="tooltip-summary">{point.summary}</p>}
      {recordedAt !== undefined && <p class="muted small">{formatMoment(recordedAt)}</p>}
    </div>
  );
}
