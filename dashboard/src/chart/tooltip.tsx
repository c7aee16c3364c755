import { wordsOfCause } from '../format/causes.ts';
import { formatCount, formatLoss } from '../format/numbers.ts';
import { formatMoment, formatSpan } from '../format/times.ts';
import type { Curve } from '../series/curve.ts';
import type { Hover } from './hover.ts';

interface Properties {
  hover: Hover;
  curves: readonly Curve[];
  /** When runs began, in Unix milliseconds. */
  began: readonly number[];
  /** Where it points to, in CSS pixels of the chart. */
  left: number;
  width: number;
}

/** CSS pixels between the pointer and the box, and of the box at most; the share of the chart that it takes at most. */
const GAP = 14;
const MOST_WIDTH = 340;
const MOST_SHARE = 0.7;

/** Description of the points under the pointer. Screen readers read it as the chart's value. */
export function Tooltip({ hover: { points, focus }, curves, began, left, width }: Properties) {
  const point = curves[focus.curve]!.points[focus.index]!;
  const range = point.rank_losses;
  const isOnRight = left > width / 2;
  const offset = (isOnRight ? width - left : left) + GAP;
  // On a narrow screen it covers the pointer rather than leave the chart.
  const most = Math.min(MOST_WIDTH, MOST_SHARE * width);
  const style = { [isOnRight ? 'right' : 'left']: `${Math.min(offset, width - most)}px`, 'max-width': `${most}px` };
  return (
    <div class="tooltip" style={style} aria-hidden="true">
      <div class="tooltip-head">
        <strong>Step {formatCount(point.step)}</strong>
        <span>{formatSpan((Date.parse(point.recorded_at) - began[focus.curve]!) / 1000)}</span>
      </div>
      <table>
        <tbody>
          {points.map(({ curve, index }) => (
            <tr key={curve} class={curve === focus.curve && points.length > 1 ? 'focus' : undefined}>
              <th scope="row">
                <span class={`swatch curve-${curve}`} /> {points.length > 1 ? curves[curve]!.run : 'loss'}
              </th>
              <td>{formatLoss(curves[curve]!.points[index]!.loss)}</td>
            </tr>
          ))}
          {range !== undefined && point.ranks > 1 && (
            <tr class="muted">
              <th scope="row">{point.ranks} ranks</th>
              <td>
                {formatLoss(range.min)} … {formatLoss(range.max)}
              </td>
            </tr>
          )}
        </tbody>
      </table>
      {!point.complete && <p class="muted">not all ranks have reported</p>}
      {point.spike && <p class="warn-text">◆ spike</p>}
      {point.causes?.map((cause) => (
        <p key={cause} class="bad-text">
          ✕ {wordsOfCause(cause)}
        </p>
      ))}
      {point.summary !== undefined && <p class="tooltip-summary">{point.summary}</p>}
      <p class="muted small">{formatMoment(point.recorded_at)}</p>
    </div>
  );
}
