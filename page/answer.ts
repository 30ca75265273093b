import { nodeRows, sessionRows } from './views/nodes.ts'
import { overviewOf } from './views/overview.ts'
import { poolMapOf, poolSummaries } from './views/pools.ts'
import type { Scene } from './views/scene.ts'
import { type ServiceState, serviceSorts, servicesPage, serviceView } from './views/services.ts'
import { timeLinePage } from './views/time-line.ts'

/** What a browser asks for: the name of a view, and the words behind the question mark. */
export interface ViewRequest {
  readonly view: string
  readonly query: Readonly<Record<string, string>>
}

/** A view as JSON, or why there is none. */
export type ViewAnswer =
  | { readonly status: 200; readonly body: string }
  | { readonly status: 400 | 404; readonly problem: string }

/** Every view by its name, which is the last part of its path. */
export const viewNames = ['overview', 'pools', 'pool', 'services', 'service', 'nodes', 'sessions', 'timeline'] as const

const longestPage = 500
const states: readonly ServiceState[] = ['announced', 'not announced', 'no address']
const kinds = ['move', 'failure', 'recovery', 'other'] as const

/** The view that is asked for. Never throws, whatever the query. */
export function answer(scene: Scene, { view, query }: ViewRequest): ViewAnswer {
  const name = viewNames.find(one => one === view)
  switch (name) {
    case undefined:
      return { status: 404, problem: `there is no view ${JSON.stringify(view)}; there are ${viewNames.join(', ')}` }
    case 'overview':
      return found(overviewOf(scene))
    case 'pools':
      return found(poolSummaries(scene))
    case 'pool': {
      const { name = '', from, to } = query
      const part = from === undefined || to === undefined ? undefined : { from, to }
      return foundOr(poolMapOf(scene, name, part), `no pool ${JSON.stringify(name)} with these addresses`)
    }
    case 'services': {
      const state = states.find(one => one === query['state'])
      if (query['state'] && state === undefined) return bad(`state is one of ${states.join(', ')}`)
      const sort = serviceSorts.find(one => one === (query['sort'] ?? 'name'))
      if (sort === undefined) return bad(`sort is one of ${serviceSorts.join(', ')}`)
      return paged(query, part => servicesPage(scene, { search: query['search'] ?? '', state, sort, ...part }))
    }
    case 'service': {
      const key = query['name'] ?? ''
      return foundOr(serviceView(scene, key), `no Service ${JSON.stringify(key)} of type LoadBalancer`)
    }
    case 'nodes':
      return found(nodeRows(scene))
    case 'sessions':
      return found(sessionRows(scene))
    case 'timeline': {
      const wanted = (query['kinds'] ?? '').split(',').filter(Boolean)
      const chosen = kinds.filter(kind => wanted.includes(kind))
      if (chosen.length < wanted.length) return bad(`kinds are ${kinds.join(', ')}`)
      return paged(query, part =>
        timeLinePage(scene.timeLine, { search: query['search'] ?? '', kinds: chosen, ...part }),
      )
    }
  }
}

function paged(
  query: ViewRequest['query'],
  make: (part: { readonly offset: number; readonly limit: number }) => unknown,
): ViewAnswer {
  const [offset, limit] = [query['offset'] ?? '0', query['limit'] ?? '100'].map(text =>
    /^\d{1,9}$/.test(text) ? Number(text) : undefined,
  )
  if (offset === undefined || limit === undefined || limit > longestPage) {
    return bad(`offset and limit are whole numbers, and limit is at most ${longestPage}`)
  }
  return found(make({ offset, limit }))
}

function bad(problem: string): ViewAnswer {
  return { status: 400, problem }
}

function foundOr(value: unknown, problem: string): ViewAnswer {
  return value === undefined ? { status: 404, problem } : found(value)
}

function found(value: unknown): ViewAnswer {
  return { status: 200, body: JSON.stringify(value, exact) }
}

/** Addresses are counted in numbers that JSON has no way to write but as text. */
function exact(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
