/** At most three of many, for a message that people read. */
export function firstFew(texts: readonly string[], separator = '; '): string {
  const shown = texts.slice(0, 3).join(separator)
  return texts.length > 3 ? `${shown}${separator}and ${texts.length - 3} more` : shown
}

/** Names in quotation marks. */
export function quoted(names: readonly string[]): string {
  return firstFew(
    names.map(name => `"${name}"`),
    ', ',
  )
}

/** The text as the beginning of a sentence. */
export function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
