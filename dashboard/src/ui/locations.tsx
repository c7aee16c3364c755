import type { Place } from '../api/types.ts';
import { formatCount, formatLoss, plural } from '../format/numbers.ts';

/** Table of the locations of non-finite values. @param of side of a comparison */
export function Locations({ locations, of }: { locations: readonly Place[]; of?: string }) {
  return (
    <details>
      <summary>
        {plural(locations.length, 'location')}
        {of !== undefined && ` of the ${of}`}
      </summary>
      <table>
        <thead>
          <tr>
            <th scope="col" class="number">
              Row
            </th>
            <th scope="col" class="number">
              Class
            </th>
            <th scope="col">Value</th>
            <th scope="col">Note</th>
          </tr>
        </thead>
        <tbody>
          {locations.map(({ row, column, value, is_label: isLabel, masked }) => (
            <tr key={`${row} ${column}`}>
              <td class="number">{formatCount(row)}</td>
              <td class="number">{formatCount(column)}</td>
              <td class="bad-text">{formatLoss(value)}</td>
              <td>{[isLabel && 'the label', masked && 'left out'].filter(Boolean).join(', ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
