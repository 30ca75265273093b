import { formatObjectName } from './change.ts'
import type { Paint } from './paint.ts'
import type { AddressChange, Preview } from './preview.ts'
import type { AnnouncementChange } from './preview-layer2.ts'
import type { RouteChange } from './preview-routes.ts'
import type { SessionChange } from './preview-sessions.ts'
import { wrap } from './table.ts'
import { counted } from './words.ts'

// Of five thousand Services that lose their addresses a few are enough to see it.
const shown = 15

/** A preview for people. */
export function previewText(preview: Preview, paint: Paint, options: { readonly wide: boolean }): string {
  const { objects, services, oneByOne, verdicts, layer2, routes, sessions, affected, unknown } = preview
  const limit = options.wide ? Number.POSITIVE_INFINITY : shown
  const section = (title: string, texts: readonly string[]): string =>
    texts.length === 0 ? '' : `\n${paint.bold(title)}\n${few(texts, limit)}`
  const verdict =
    affected.length === 0
      ? paint.good('No Service would notice.')
      : `${paint.warn(counted(affected.length, 'Service'))} would notice.`
  return [
    `${paint.bold('Change')}\n`,
    objects.length === 0
      ? '  Nothing: the cluster has it all already.\n'
      : few(
          objects.map(
            ({ name, outcome }) => `  ${outcome === 'notThere' ? 'not there' : outcome}  ${formatObjectName(name)}\n`,
          ),
          limit,
        ),
    section(
      'Not in use as written, or in use again',
      verdicts.map(({ kind, name, ready, reason, message }) => {
        const word = ready ? paint.good('Ready=True') : paint.bad(`Ready=False  ${reason}`)
        return `  ${kind} ${name}  ${word}\n${wrap(message, '      ')}`
      }),
    ),
    section(
      'Addresses',
      services.map(change => addressText(change, paint)),
    ),
    section(
      'Otherwise, if the controller acts between one object and the next',
      oneByOne.map(change => addressText(change, paint)),
    ),
    section(
      'Layer 2',
      layer2.map(change => announcementText(change, paint)),
    ),
    section(
      'BGP routes',
      routes.map(change => routeText(change, paint)),
    ),
    section(
      'BGP sessions',
      sessions.map(change => sessionText(change, paint)),
    ),
    section(
      'Not known',
      unknown.map(text => wrap(text, '  ')),
    ),
    `\n${verdict}\n`,
  ].join('')
}

function few(texts: readonly string[], limit: number): string {
  const more = texts.length > limit ? `  and ${texts.length - limit} more; -o wide shows all\n` : ''
  return texts.slice(0, limit).join('') + more
}

function addressText({ service, effect, before, after, reason, message }: AddressChange, paint: Paint): string {
  const [was, is] = [before.join(', ') || 'none', after.join(', ') || 'none']
  const head = {
    loses: after.length > 0 ? `${paint.bad('loses')} of ${was} all but ${is}` : `${paint.bad('loses')} ${was}`,
    changes: `${paint.bad('changes')} from ${was} to ${is}`,
    gets: `${paint.good('gets')} ${is}`,
    none: `${paint.good('keeps')} ${is}`,
  }[effect]
  return `  ${service}  ${head}  ${reason}\n${wrap(message, '      ')}`
}

function announcementText({ service, effect, before, after, why }: AnnouncementChange, paint: Paint): string {
  const [was, is] = [before, after].map(({ nodes }) => nodes.join(', '))
  const head = {
    stops: `${paint.bad('no longer announced')}, by ${was} until now`,
    begins: `${paint.good('announced')} by ${is}: ${after.addresses.join('; ')}`,
    moves: `${paint.warn('moves')} from ${was} to ${is}`,
    readdressed: `${is} announces ${after.addresses.join('; ')} and no longer ${before.addresses.join('; ')}`,
  }[effect]
  return `  ${service}  ${head}\n${why === '' ? '' : wrap(`${why}.`, '      ')}`
}

function routeText({ prefix, effect, peers, nodes, attributes, why, services }: RouteChange, paint: Paint): string {
  const paints = { withdrawn: paint.bad, announced: paint.good, changed: paint.warn }
  const word = { withdrawn: 'withdrawn from', announced: 'announced to', changed: 'changed for' }[effect]
  const to = `${paints[effect](word)} ${fewNames(peers)} by ${fewNames(nodes)}`
  const details = [attributes.join('; '), why === '' ? '' : `${why}.`].filter(text => text !== '')
  const of = `of ${fewNames(services)}`
  return `  ${prefix}  ${to}\n${wrap([of, ...details].join(': '), '      ')}`
}

function sessionText({ peer, effect, nodes, why, services }: SessionChange, paint: Paint): string {
  const head = {
    begins: `${paint.good('opened')} by ${fewNames(nodes)}`,
    ends: `${paint.bad('ended')} by ${fewNames(nodes)}${why === '' ? '' : `: ${why}`}`,
    restarts: `${paint.warn('ended and opened anew')} by ${fewNames(nodes)}: other ${why}`,
    bfd: `watched otherwise by BFD at ${fewNames(nodes)}: other ${why}`,
  }[effect]
  const routes = services.length > 0 ? wrap(`with the routes of ${counted(services.length, 'Service')}`, '      ') : ''
  return `  ${peer}  ${head}\n${routes}`
}

/** The first few, and how many more. */
function fewNames(names: readonly string[]): string {
  return names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`
}
