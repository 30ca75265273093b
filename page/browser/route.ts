/** A place in the page, as it stands behind the # of the address. */
export interface Route {
  /** The name of the view; `overview` where none is named. */
  readonly view: string
  /** What follows it: a pool's name, a Service's namespace and name. */
  readonly path: readonly string[]
  readonly query: Readonly<Record<string, string>>
}

/** `#/services/shop/web?search=x`. Never throws, whatever somebody has typed. */
export function parseRoute(hash: string): Route {
  const [pathText = '', queryText = ''] = hash.replace(/^#?\/?/, '').split('?', 2)
  const [view, ...path] = pathText.split('/').filter(Boolean).map(decoded)
  return { view: view ?? 'overview', path, query: Object.fromEntries(new URLSearchParams(queryText)) }
}

/** The link to a place; what is undefined or empty is left out of it. */
export function linkTo(
  view: string,
  path: readonly string[] = [],
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const words = Object.entries(query).filter((entry): entry is [string, string] => Boolean(entry[1]))
  const text = words.length > 0 ? `?${new URLSearchParams(words).toString()}` : ''
  return `#/${[view === 'overview' ? '' : view, ...path].filter(Boolean).map(encodeURIComponent).join('/')}${text}`
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
