/** Named numbers, side by side. */
export function DetailNumbers({ numbers }: { numbers: readonly (readonly [name: string, value: string])[] }) {
  return (
    <dl class="detail-numbers">
      {numbers.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
