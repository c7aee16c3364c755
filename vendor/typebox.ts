/**
 * TypeBox as one module: finding and reading its own 679 takes a fifth of each start. `npm run build:vendor` writes
 * dist/typebox.js, which is imported as `#typebox`.
 */
export * from 'typebox';
export { IsDate, IsDateTime } from 'typebox/format';
export { Value } from 'typebox/value';
