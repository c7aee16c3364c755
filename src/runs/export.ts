import { numberText, stringify } from '../wire/json-text/stringify.ts';

export type ExportFormat = 'csv' | 'jsonl';

/** A line of an export. */
export type ExportedRow = Record<string, string | number | boolean>;

/** Formats rows as lines of text. */
export function exportText(rows: readonly ExportedRow[], format: ExportFormat): string {
  return rows.map((row) => (format === 'jsonl' ? `${stringify(row)}\n` : csvLine(Object.values(row)))).join('');
}

/** Formats a line of CSV (RFC 4180): values that contain a separator or a quote are quoted. */
export function csvLine(values: readonly (string | number | boolean)[]): string {
  const cells = values.map((value) => {
    const text = typeof value === 'number' ? numberText(value) : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${cells.join(',')}\r\n`;
}
