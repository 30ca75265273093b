import { follow, Refused } from './api.ts'
import { byId, h, morph } from './dom.ts'
import { loginForm } from './login.ts'
import { nodesView, sessionsView } from './nodes.ts'
import { overviewView } from './overview.ts'
import { heading, nothing } from './parts.ts'
import { poolsView, poolView } from './pools.ts'
import { linkTo, parseRoute, type Route } from './route.ts'
import { serviceView } from './service.ts'
import { servicesView } from './services.ts'
import { startTheme } from './theme.ts'
import { timeLineView } from './time-line.ts'
import type { Moment, View } from './view.ts'

/*
 * The page's one loop: a route is looked up, its view asked for and shown; the stream says when to ask again. What is on
 * its way is given up where something newer is wanted, and there is never more than one question about a view at a time.
 */

const main = byId('main')
const search = byId('search') as HTMLInputElement
const live = byId('live')
let route = parseRoute(location.hash)
let shown = ''
let loading: AbortController | undefined
let isStale = false
/** How far the cluster's clock is ahead of this one. */
let aheadMs = 0

function viewOf({ view, path }: Route): View<never> | undefined {
  const views: Readonly<Record<string, unknown>> = {
    overview: overviewView,
    pools: path.length === 0 ? poolsView : poolView,
    services: path.length === 0 ? servicesView : serviceView,
    nodes: nodesView,
    sessions: sessionsView,
    timeline: timeLineView,
  }
  return Object.hasOwn(views, view) ? (views[view] as View<never>) : undefined
}

async function refresh(): Promise<void> {
  const view = viewOf(route)
  if (!view)
    return morph(main, [
      heading('Nothing here'),
      nothing('There is no such view. ', h('a', { href: '#/' }, 'Overview')),
    ])
  const mine = new AbortController()
  loading = mine
  isStale = false
  const at = route
  try {
    const data = await view.load(at, mine.signal)
    if (mine.signal.aborted) return
    show(view, data, at)
  } catch (error) {
    if (!mine.signal.aborted) explain(error)
  } finally {
    if (loading === mine) loading = undefined
  }
  if (isStale && !mine.signal.aborted) await refresh()
}

function show(view: View<never>, data: never, at: Route): void {
  const moment: Moment = { route: at, nowMs: Date.now() + aheadMs, refresh: () => void refresh() }
  const place = JSON.stringify([at.view, at.path, at.query])
  morph(main, view.show(data, moment))
  document.title = `${view.title(at)} – Berth`
  if (place === shown) return
  const isFirst = shown === ''
  shown = place
  view.opened?.(data, moment)
  if (isFirst || document.activeElement === search) return
  // Whoever follows a link goes on reading at the new view's beginning.
  window.scrollTo(0, 0)
  main.focus({ preventScroll: true })
}

function explain(error: unknown): void {
  shown = ''
  const problem = error instanceof Error ? error.message : String(error)
  if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
    morph(
      main,
      loginForm(problem, () => void restart()),
    )
    document.getElementById('token')?.focus()
    return
  }
  if (error instanceof Refused && error.status === 404)
    return morph(main, [heading('Not found'), nothing(`There is ${problem}.`)])
  morph(main, [heading('No answer'), nothing(`${problem}. Trying again.`)])
}

function go(): void {
  route = parseRoute(location.hash)
  loading?.abort()
  const isList = route.view === 'services' && route.path.length === 0
  if (document.activeElement !== search)
    search.value = isList || route.view === 'timeline' ? (route.query['search'] ?? '') : ''
  showNavigation()
  void refresh()
}

function showNavigation(): void {
  const names = {
    overview: 'Overview',
    pools: 'Pools',
    services: 'Services',
    nodes: 'Nodes',
    sessions: 'Sessions',
    timeline: 'Time line',
  }
  morph(
    byId('views'),
    Object.entries(names).map(([view, text]) =>
      h('a', { href: linkTo(view), 'aria-current': route.view === view ? 'page' : undefined }, text),
    ),
  )
}

let following = new AbortController()

async function keepFollowing(): Promise<void> {
  const { signal } = following
  let delayMs = 500
  while (!signal.aborted) {
    try {
      await follow(
        signal,
        () => say('live'),
        update => {
          delayMs = 500
          aheadMs = Math.abs(update.nowMs - Date.now()) < 2_000 ? 0 : update.nowMs - Date.now()
          changed()
        },
      )
    } catch (error) {
      if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
        say('locked')
        return explain(error)
      }
    }
    if (signal.aborted) return
    say('lost')
    await new Promise(resolve => setTimeout(resolve, delayMs * (0.75 + Math.random() / 2)))
    delayMs = Math.min(delayMs * 2, 15_000)
  }
}

function changed(): void {
  if (loading) isStale = true
  else if (!document.hidden) void refresh()
  else isStale = true
}

function say(state: 'live' | 'lost' | 'locked'): void {
  if (live.dataset['state'] === state) return
  // Told aloud only when it matters: that it was lost, and that it is back.
  const isNews = state === 'lost' || live.dataset['state'] === 'lost'
  live.dataset['state'] = state
  live.textContent = { live: 'live', lost: 'reconnecting', locked: 'locked' }[state]
  if (isNews) byId('said').textContent = state === 'live' ? 'Live again.' : 'The connection is lost; trying again.'
}

async function restart(): Promise<void> {
  following.abort()
  following = new AbortController()
  void keepFollowing()
  await refresh()
}

let typing: ReturnType<typeof setTimeout> | undefined
search.addEventListener('input', () => {
  clearTimeout(typing)
  typing = setTimeout(() => {
    const view = route.view === 'timeline' ? 'timeline' : 'services'
    const query = route.view === view && route.path.length === 0 ? route.query : {}
    const next = linkTo(view, [], { ...query, search: search.value.trim() })
    if (route.view === view && route.path.length === 0) history.replaceState(undefined, '', next)
    else history.pushState(undefined, '', next)
    go()
  }, 120)
})
byId('find').addEventListener('submit', event => event.preventDefault())
document.addEventListener('keydown', event => {
  const isTyping = event.target instanceof HTMLInputElement
  if (event.key === '/' && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault()
    search.focus()
    search.select()
  }
  if (event.key === 'Escape' && event.target === search) main.focus()
  if (event.key === 'ArrowDown' && event.target === search) {
    event.preventDefault()
    main.querySelector<HTMLElement>('tbody a')?.focus()
  }
})
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && isStale && !loading) void refresh()
})
window.addEventListener('hashchange', go)
// Times grow old without anything having changed.
setInterval(() => {
  if (!loading && !document.hidden && live.dataset['state'] !== 'locked') void refresh()
}, 15_000)

startTheme(byId('theme'))
go()
void keepFollowing()
