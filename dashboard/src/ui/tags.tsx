interface Properties {
  tags: readonly string[];
  /** Address of a page about a tag. */
  hrefOf?: (tag: string) => string;
}

export function Tags({ tags, hrefOf }: Properties) {
  if (tags.length === 0) return null;
  return (
    <ul class="labels tags" aria-label="Tags">
      {tags.map((tag) => (
        <li key={tag}>{hrefOf === undefined ? tag : <a href={hrefOf(tag)}>{tag}</a>}</li>
      ))}
    </ul>
  );
}
