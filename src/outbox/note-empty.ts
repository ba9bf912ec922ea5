/**
 * An empty file looks the same whether it was meant to be, or its producer named it before its bytes were on disk and
 * the power went: then this is all that is left, and a person should know. @returns a note for its row
 */
export function noteForEmpty(sizeBytes: number): string | undefined {
  return sizeBytes > 0
    ? undefined
    : 'is empty; if it was written to, the power went before that was on disk: let its producer fsync before it renames';
}
