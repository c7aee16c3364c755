/** Words for the numbers that JSON cannot represent: bare tokens in the JSON of Python, strings elsewhere. */
export const NON_FINITE: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
]);
