/**
 * Compares two resourceVersions, which are decimal integers of any size without leading zeros: the longer is the greater,
 * and texts of one length compare as their numbers do. The empty text (none known) is below all.
 */
export function compareResourceVersions(one: string, other: string): number {
  if (one.length !== other.length) return one.length - other.length
  return one < other ? -1 : one > other ? 1 : 0
}

/** The greater of two. */
export function laterResourceVersion(one: string, other: string): string {
  return compareResourceVersions(one, other) >= 0 ? one : other
}
