/** Names of the non-finite numbers. Python's JSON has them as bare tokens, other JSON as strings. */
export const NON_FINITE: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);
