/** Longest search that the service accepts, in characters. */
const MOST_SEARCH = 256;

interface Properties {
  value: string;
  onChange: (value: string) => void;
}

export function SearchBox({ value, onChange }: Properties) {
  return (
    <input
      type="search"
      aria-label="Search names and labels"
      placeholder="Search names and labels"
      maxLength={MOST_SEARCH}
      value={value}
      onInput={(event) => onChange(event.currentTarget.value)}
    />
  );
}
