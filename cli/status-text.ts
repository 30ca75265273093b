import type { Paint } from './paint.ts'
import { isUp } from './peers.ts'
import { bar } from './pools.ts'
import type { SpeakerView, StatusView } from './status.ts'
import { table, wrap } from './table.ts'
import { ago, counted, formatCount } from './words.ts'

// Of five thousand Services that wait for one full pool a few are enough to see it.
const shown = 15

/** The status for people. */
export function statusText(status: StatusView, paint: Paint, options: { readonly wide: boolean }): string {
  const { services, troubled, notReady } = status
  const limit = options.wide ? Number.POSITIVE_INFINITY : shown
  const counts = `${services.total}, ${services.assigned} with an address, ${services.announced} announced`
  const trouble = troubled
    .slice(0, limit)
    .map(
      ({ service, what, reason, message }) => `  ${paint.bad(service)}  ${what}: ${reason}\n${wrap(message, '      ')}`,
    )
  const more = troubled.length - trouble.length
  return [
    controllerText(status, paint),
    speakersText(status, paint, options.wide),
    poolsText(status, paint),
    ...(notReady.length > 0 ? [`\n${paint.bold('Not in use as written')}\n`] : []),
    ...notReady.map(
      ({ kind, name, reason, message }) => `  ${paint.bad(`${kind} ${name}`)}  ${reason}\n${wrap(message, '      ')}`,
    ),
    `\n${paint.bold('Services')}  ${counts}\n`,
    ...trouble,
    ...(more > 0 ? [`  and ${more} more; -o wide shows all\n`] : []),
    ...(trouble.length > 0 ? ['  "kubectl berth explain service NAMESPACE/NAME" says more about each.\n'] : []),
    sessionsText(status, paint),
  ].join('')
}

function controllerText({ controller, takenAtMs, namespace }: StatusView, paint: Paint): string {
  const { leader, renewed, alive } = controller
  const title = paint.bold('Controller')
  if (alive) return `${title}  ${paint.good('alive')}, ${leader} leads (renewed ${ago(renewed, takenAtMs)} ago)\n`
  const told =
    leader === undefined
      ? 'none leads: no Service gets an address'
      : `${leader} led and has not renewed its Lease for ${ago(renewed, takenAtMs)}: no Service gets an address`
  return `${title}  ${paint.bad(told)}\n  ${paint.warn('→')} kubectl -n ${namespace} get pods\n`
}

function speakersText({ speakers, takenAtMs, namespace }: StatusView, paint: Paint, wide: boolean): string {
  const alive = speakers.filter(({ state }) => state === 'alive').length
  const title = `\n${paint.bold('Speakers')}  ${alive} of ${counted(speakers.length, 'node')}\n`
  if (speakers.length === 0) return `${title}  ${paint.bad('There is no node.')}\n`
  // A hundred nodes that are well are a number; those that are not are named.
  const listed =
    wide || speakers.length <= shown ? speakers : speakers.filter(({ state, note }) => state !== 'alive' || note)
  const rows = listed.map(({ node, state, renewed, services, interfaces, note }) => {
    return [node, stateText(state, paint), ago(renewed, takenAtMs), String(services), interfaces.join(', '), note]
  })
  const lost = speakers.some(({ state }) => state === 'gone' || state === 'missing')
  return [
    title,
    rows.length > 0 ? table(['node', 'speaker', 'renewed', 'layer 2', 'interfaces', 'note'], rows, '  ') : '',
    lost ? `  ${paint.warn('→')} kubectl -n ${namespace} get pods -o wide\n` : '',
  ].join('')
}

function stateText(state: SpeakerView['state'], paint: Paint): string {
  return state === 'alive' ? paint.good(state) : state === 'leaving' ? paint.warn(state) : paint.bad(state)
}

function poolsText({ pools }: StatusView, paint: Paint): string {
  const title = `\n${paint.bold('Pools')}\n`
  if (pools.length === 0) return `${title}  ${paint.bad('none')}: no Service can get an address\n`
  const rows = pools.flatMap(({ name, usage, ready, reason }) => {
    const word = ready ? paint.good('True') : paint.bad(reason)
    if (usage.length === 0) return [[name, '', '', '', word]]
    return usage.map(({ family, size, inUse }) => {
      return [name, family, bar(inUse, size, paint), `${formatCount(inUse)} of ${formatCount(size)}`, word]
    })
  })
  return title + table(['pool', 'family', 'used', 'in use', 'ready'], rows, '  ')
}

function sessionsText({ peers }: StatusView, paint: Paint): string {
  if (peers.length === 0) return ''
  const down = peers.filter(peer => !isUp(peer))
  const listed = down.slice(0, shown).map(({ node, peer, state, problem }) => {
    return `  ${paint.bad(`${node} – ${peer}`)}  ${state || 'none'}\n${wrap(problem ?? '', '      ')}`
  })
  const more = down.length > shown ? `  and ${down.length - shown} more: kubectl berth peers\n` : ''
  return `\n${paint.bold('BGP sessions')}  ${peers.length - down.length} of ${peers.length} stand\n${listed.join('')}${more}`
}
