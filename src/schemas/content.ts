/** The same schema for each of some media types. */
export function contentOf(mediaTypes: readonly string[], schema: object): Record<string, { schema: object }> {
  return Object.fromEntries(mediaTypes.map((type) => [type, { schema }]));
}
