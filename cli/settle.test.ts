import { expect, test } from 'vitest'
import { shownAddresses } from '../controller/request.ts'
import { fieldOf, identityOf } from '../kube/json.ts'
import { formatAddress } from '../net/address.ts'
import { namespace, turns } from '../test/cli/changes.ts'
import { lists, named } from '../test/cli/world.ts'
import { type Step, takeStep } from './change.ts'
import { type SettledController, settledController } from './settle.ts'
import { type Lists, snapshotOf } from './snapshot.ts'

const shown = ({ services }: SettledController): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from(services.values(), one => [one.key, shownAddresses(one).map(formatAddress).join()] as const).sort(
      ([one], [other]) => (one < other ? -1 : 1),
    ),
  )

/** Only labels and annotations, of a Service that is not there. */
const isHalf = ({ services }: Lists, step: Step): boolean =>
  step.kind === 'apply' &&
  step.name.kind === 'Service' &&
  fieldOf(step.object, 'spec') === undefined &&
  !services.some(one => identityOf(one)?.key === `${step.name.namespace}/${step.name.name}`)

// So what preview works out from a look at the cluster is what the controller works out that has been there for weeks.
test('a controller that begins now changes nothing, and goes on as one that was there all along', {
  timeout: 60_000,
}, () => {
  let moves = 0
  for (let seed = 1; seed <= 4; seed++) {
    let nowMs = Date.parse('2026-01-01T00:00:00Z')
    const namespaces = [named(namespace), named('default'), named('shop', { team: 'a' }), named('bank', { team: 'b' })]
    let current = lists({
      namespaces,
      services: [],
      endpointSlices: [],
      ipAddressPools: [],
      l2Advertisements: [],
      leases: [],
    })
    let snapshot = snapshotOf(current, namespace, nowMs)
    const old = settledController(snapshot, undefined)
    for (const step of turns(seed, 20).flatMap(({ occurrences, change }) => [...occurrences, ...change])) {
      nowMs += 1_000
      if (isHalf(current, step)) continue
      const stepped = takeStep(current, step, { namespace, nowMs })
      if (stepped.outcome === 'unchanged' || stepped.outcome === 'notThere') continue
      moves++
      const young = settledController({ ...snapshot, services: new Map(old.services) }, undefined)
      expect(shown(young)).toEqual(shown(old))
      current = stepped.lists
      snapshot = snapshotOf(current, namespace, nowMs)
      const { kind, namespace: home, name } = step.name
      const changed = new Set(kind === 'Service' ? [`${home}/${name}`] : [])
      young.moveTo(snapshot, changed)
      old.moveTo(snapshot, changed)
      expect(shown(young)).toEqual(shown(old))
    }
  }
  expect(moves).toBeGreaterThan(200)
})
