/** All lines of a header, in order. Node.js itself keeps only the first line of some headers. @param name in lower case */
export function headerLines(rawHeaders: readonly string[], name: string): string[] {
  const lines: string[] = [];
  for (let k = 0; k < rawHeaders.length; k += 2) {
    const found = rawHeaders[k]!;
    if (found.length === name.length && found.toLowerCase() === name) lines.push(rawHeaders[k + 1]!);
  }
  return lines;
}
