import { setTimeout as delay } from 'node:timers/promises'
import type { Step } from '../../cli/change.ts'
import type { Preview } from '../../cli/preview.ts'
import type { Lists } from '../../cli/snapshot.ts'
import type { ConfigKind } from '../../crds/config.ts'
import { configLists } from '../../crds/resources.ts'
import { fieldOf, identityOf, listOf, textOf } from '../../kube/json.ts'
import { namespace } from './changes.ts'
import { ingressOf } from './live.ts'

/*
 * Whether a cluster is after a change as a preview of it said: what is seen in the lists of the API server, beside what was
 * seen before with what the preview says in it. What tests make for themselves (the namespace sentinel, objects whose names
 * begin with zz-) is no part of it.
 */

const configKinds = Object.keys(configLists) as ConfigKind[]

/** What controllers have written. */
export interface Observed {
  /** Addresses by Service. */
  readonly services: Readonly<Record<string, string>>
  /** The condition Ready by object. */
  readonly ready: Readonly<Record<string, string>>
}

/** What stands in the cluster of these lists. */
export function observation(lists: Lists): Observed {
  const services = lists.services.filter(one => identityOf(one)?.namespace !== 'sentinel')
  const objects = configKinds.flatMap(kind => lists[configLists[kind]].map(object => ({ kind, object })))
  const own = objects.filter(({ object }) => !identityOf(object)?.name.startsWith('zz-'))
  return {
    services: sorted(services.map(one => [identityOf(one)?.key ?? '', ingressOf(one)])),
    ready: sorted(own.map(({ kind, object }) => [`${kind} ${identityOf(object)?.key}`, readyOf(object)])),
  }
}

function readyOf(object: unknown): string {
  const conditions = listOf(fieldOf(fieldOf(object, 'status'), 'conditions'))
  const ready = conditions.find(condition => fieldOf(condition, 'type') === 'Ready')
  const [status, reason, message] = ['status', 'reason', 'message'].map(field => textOf(fieldOf(ready, field)))
  return `${status} ${reason} ${message}`
}

/** What must stand there after the change, objects taken one by one. */
export function expectation(lists: Lists, preview: Preview): Observed {
  const { services, ready } = observation(lists)
  const after = new Map(Object.entries(services))
  for (const change of [...preview.services, ...preview.oneByOne]) after.set(change.service, change.after.join())
  const verdicts = new Map(Object.entries(ready))
  for (const { name, outcome } of preview.objects) {
    const id = `${name.kind} ${name.namespace}/${name.name}`
    const isConfig = name.kind in configLists
    const isService = name.kind === 'Service'
    if (outcome === 'created') {
      if (isConfig) verdicts.set(id, 'True Accepted In use as written.')
      if (isService) after.set(`${name.namespace}/${name.name}`, after.get(`${name.namespace}/${name.name}`) ?? '')
    }
    if (outcome === 'removed') (isConfig ? verdicts : after).delete(isConfig ? id : `${name.namespace}/${name.name}`)
  }
  for (const { kind, name, ready, reason, message } of preview.verdicts) {
    if (name.startsWith('zz-')) continue
    verdicts.set(`${kind} ${namespace}/${name}`, `${ready ? 'True' : 'False'} ${reason} ${message}`)
  }
  return { services: sorted([...after]), ready: sorted([...verdicts]) }
}

function sorted(entries: readonly (readonly [string, string])[]): Record<string, string> {
  return Object.fromEntries([...entries].sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Of what would be made by one change only the first: which of two that are made in one second is older, nobody can say. */
export function withOneCreation(steps: readonly Step[], lists: Lists): readonly Step[] {
  const named = (kind: string, list: readonly unknown[]) => list.map(one => `${kind} ${identityOf(one)?.key}`)
  const known = new Set([
    ...named('Service', lists.services),
    ...configKinds.flatMap(kind => named(kind, lists[configLists[kind]])),
  ])
  const seen = new Set<string>()
  let created = 0
  return steps.filter(step => {
    const { kind, name } = step.name
    const id = `${kind} ${step.name.namespace}/${name}`
    // One object twice in a change is refused; and what is not there cannot be removed, nor can a Service be half made.
    if (seen.has(id)) return false
    seen.add(id)
    if (kind === 'Namespace' || kind === 'Node' || known.has(id)) return true
    if (step.kind === 'remove') return false
    const spec = fieldOf(step.object, 'spec')
    if (spec === undefined || (kind === 'Service' && fieldOf(spec, 'ports') === undefined)) return false
    created++
    return created === 1
  })
}

/** The first family of a Service is for good: where another is asked for, no family is. */
export function possible(step: Step, { services }: Lists): Step {
  if (step.kind === 'remove' || step.name.kind !== 'Service') return step
  const live = services.find(one => identityOf(one)?.key === `${step.name.namespace}/${step.name.name}`)
  const { ipFamilies, ipFamilyPolicy: _, ...rest } = { ...(fieldOf(step.object, 'spec') as Record<string, unknown>) }
  const [now] = listOf(fieldOf(fieldOf(live, 'spec'), 'ipFamilies'))
  const [asked = now] = listOf(ipFamilies)
  return live === undefined || asked === now ? step : { ...step, object: { ...(step.object as object), spec: rest } }
}

/** Waits for it where the change makes an object: whoever is made in one second is older or younger by chance. */
export async function apartInTime({ objects }: Preview): Promise<void> {
  if (objects.some(({ outcome }) => outcome === 'created')) await delay(1_010 - (Date.now() % 1_000))
}
