import type { Overview } from '../views/overview.ts'

/** Why the server gave no view. */
export class Refused extends Error {
  readonly status: number
  constructor(status: number, problem: string) {
    super(problem)
    this.status = status
  }
}

const tokenKey = 'berth-token'
// As long as the tab lives, so that a reload does not ask again, and no longer.
let token = sessionStorage.getItem(tokenKey) ?? ''

/** From now on this token is shown. */
export function useToken(text: string): void {
  token = text.trim()
  if (token === '') sessionStorage.removeItem(tokenKey)
  else sessionStorage.setItem(tokenKey, token)
}

/** A view as the server makes it now. Unchanged ones come from the browser's cache, by their ETag. */
export async function view<T>(
  name: string,
  query: Readonly<Record<string, string | number | undefined>>,
  signal: AbortSignal,
): Promise<T> {
  const words = Object.entries(query).flatMap(([key, value]) =>
    value === undefined || value === '' ? [] : [[key, String(value)]],
  )
  const response = await ask(`api/views/${name}?${new URLSearchParams(words).toString()}`, signal)
  return (await response.json()) as T
}

/** What the stream brings. */
export interface Update {
  /** The cluster's time. */
  readonly nowMs: number
  readonly overview: Overview
}

/** Follows the stream until it ends or fails. (EventSource cannot show a token.) */
export async function follow(
  signal: AbortSignal,
  onOpen: () => void,
  onUpdate: (update: Update) => void,
): Promise<void> {
  const response = await ask('api/stream', signal)
  if (!response.body) return
  onOpen()
  let text = ''
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value
    const events = text.split('\n\n')
    text = events.pop() ?? ''
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1]
      if (data !== undefined) onUpdate(JSON.parse(data) as Update)
    }
  }
}

async function ask(path: string, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` }
  const response = await fetch(path, { headers, signal })
  if (response.ok) return response
  const body = (await response.json().catch(() => ({}))) as { readonly problem?: string }
  throw new Refused(response.status, body.problem ?? `the server answers ${response.status}`)
}
