import { stringify } from 'yaml'
import type { Paint } from '../paint.ts'
import { wrap } from '../table.ts'
import { counted } from '../words.ts'
import type { Applied } from './apply.ts'
import type { Direction } from './command.ts'
import type { BerthObject, Conversion } from './convert.ts'
import type { Progress } from './progress.ts'
import type { Remark, RemarkWeight } from './remark.ts'
import type { Step } from './steps.ts'

/** Objects as kubectl applies them. */
export function manifestText(objects: readonly BerthObject[]): string {
  return objects.map(object => stringify(object, { lineWidth: 0, version: '1.1' })).join('---\n')
}

const headings: Readonly<Record<RemarkWeight, string>> = {
  lost: 'Not carried over',
  todo: 'To be done by hand',
  differs: 'Carried over, and means something else',
  changed: 'Written otherwise, so that it means the same',
}

/** What is not the same afterwards, the most important first; empty where there is nothing. */
export function remarksText(remarks: readonly Remark[], paint: Paint): string {
  const groups = Map.groupBy(remarks, ({ weight }) => weight)
  return Array.from(groups, ([weight, own]) => {
    const entries = own.map(({ object, field, what, todo }) => {
      const head = paint.bold([object, field].filter(text => text !== '').join('  '))
      return `  ${head}\n${wrap(what, '      ')}${todo === '' ? '' : wrap(`→ ${todo}`, '      ')}`
    })
    return `${weight === 'changed' ? headings[weight] : paint.warn(headings[weight])}\n${entries.join('')}`
  }).join('\n')
}

/** What became of the configuration, in a sentence, and what is not the same. */
export function conversionText({ objects, remarks }: Conversion, paint: Paint): string {
  const counts = Array.from(
    Map.groupBy(objects, ({ kind }) => kind),
    ([kind, own]) => counted(own.length, kind).replace(/ys$/, 'ies'),
  )
  const said = remarksText(remarks, paint)
  return `${counts.join(', ')}${said === '' ? ', all as they were' : ''}.\n${said === '' ? '' : `\n${said}`}`
}

/** Where a cluster stands, and what to do next. */
export function planText(
  direction: Direction,
  conversion: Conversion,
  progress: Progress,
  steps: readonly Step[],
  paint: Paint,
): string {
  const heading = direction === 'from-metallb' ? 'From MetalLB to Berth' : 'From Berth back to MetalLB'
  const objects = direction === 'from-metallb' ? `\n${conversionText(conversion, paint)}` : ''
  return `${paint.bold(heading)}\n\n${servicesText(progress, paint)}${objects}\n${stepsText(steps, paint)}`
}

const shown = 20

function servicesText({ services, losses }: Progress, paint: Paint): string {
  const all = counted(services, 'Service')
  if (losses.length === 0) return `${all} with an address: ${paint.good('each would keep what it has')}\n`
  const told = losses.slice(0, shown).map(({ service, addresses, because }) => {
    return `  ${paint.bold(service)}  ${addresses.join(', ')}\n${wrap(because, '      ')}`
  })
  const more = losses.length > shown ? `  … and ${losses.length - shown} more; all of them with -o json\n` : ''
  return `${all} with an address: ${paint.bad(`${losses.length} would not keep what they have`)}\n${told.join('')}${more}`
}

function stepsText(steps: readonly Step[], paint: Paint): string {
  const next = steps.find(({ done }) => !done)
  const lines = steps.map((step, index) => {
    const mark = step.done ? paint.good('done') : step === next ? paint.warn('next') : '    '
    const commands = step.done ? '' : step.commands.map(command => `          ${command}\n`).join('')
    return `  ${mark}  ${index + 1}. ${paint.bold(step.title)}\n${step.done ? '' : commands + wrap(step.note, '          ')}`
  })
  return `Steps\n${lines.join('')}`
}

/** What was written, and what to look at now. */
export function appliedText(applied: Applied, { objects, layer2 }: Progress, paint: Paint): string {
  const { seeds, secrets, missingSecrets } = applied
  const lines = [
    `${counted(applied.objects, 'object')} written, ${objects.same} there already`,
    ...(secrets.length > 0 ? [`Secrets copied: ${secrets.join(', ')}`] : []),
    ...(missingSecrets.length > 0 ? [paint.bad(`Secrets that are not there: ${missingSecrets.join(', ')}`)] : []),
  ]
  const stay = layer2.wanted - layer2.announced
  if (stay > 0) {
    lines.push(
      `For ${seeds} of ${counted(stay, 'Service')} at layer 2 Berth goes on at the node that MetalLB announces from`,
    )
  }
  if (seeds < stay) {
    lines.push(
      paint.warn(
        'The others are announced by whichever node is elected: no speaker of Berth lives where MetalLB announces them.',
      ),
    )
  }
  return `${lines.join('\n')}\n`
}
