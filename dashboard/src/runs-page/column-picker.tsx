import { Menu } from '../ui/menu.tsx';
import type { Column } from './columns.tsx';

interface Properties {
  columns: readonly Column[];
  /** Ids of the columns that are shown. */
  shown: readonly string[];
  onChange: (shown: string[]) => void;
}

export function ColumnPicker({ columns, shown, onChange }: Properties) {
  const toggle = (id: string): void =>
    onChange(columns.map((column) => column.id).filter((other) => shown.includes(other) !== (other === id)));
  return (
    <Menu name="Columns" legend="Columns of the table">
      {() =>
        columns.map(({ id, title }) => (
          <label key={id}>
            <input type="checkbox" checked={shown.includes(id)} onChange={() => toggle(id)} />
            {title}
          </label>
        ))
      }
    </Menu>
  );
}
