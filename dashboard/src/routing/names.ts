/** Joins names with commas for one parameter. Commas and percent signs in names are percent-encoded. */
export const formatNames = (names: readonly string[]): string =>
  names.map((name) => name.replaceAll('%', '%25').replaceAll(',', '%2C')).join(',');

export const parseNames = (text: string): string[] =>
  text
    .split(',')
    .filter(Boolean)
    .map((name) => name.replaceAll('%2C', ',').replaceAll('%25', '%'));
