/** Maps the values of an object and keeps its keys. */
export function mapValues<Name extends string, Value, Mapped>(
  values: Readonly<Record<Name, Value>>,
  map: (value: Value) => Mapped,
): Record<Name, Mapped> {
  const entries = Object.entries<Value>(values).map(([name, value]) => [name, map(value)]);
  return Object.fromEntries(entries) as Record<Name, Mapped>;
}
