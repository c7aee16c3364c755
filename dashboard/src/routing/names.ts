/** Names in one parameter, between commas. A comma in a name is percent-encoded, and so is a percent sign. */
export const formatNames = (names: readonly string[]): string =>
  names.map((name) => name.replaceAll('%', '%25').replaceAll(',', '%2C')).join(',');

export const parseNames = (text: string): string[] =>
  text
    .split(',')
    .filter(Boolean)
    .map((name) => name.replaceAll('%2C', ',').replaceAll('%25', '%'));
