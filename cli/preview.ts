import { allocatedCondition } from '../controller/plan.ts'
import { shownAddresses } from '../controller/request.ts'
import type { Service } from '../kube/service.ts'
import { formatAddress } from '../net/address.ts'
import { type ChangeOptions, type ObjectName, type Step, type Stepped, takeStep } from './change.ts'
import { pictureOf } from './picture.ts'
import { type AnnouncementChange, announcementChanges } from './preview-layer2.ts'
import { plansOf, type RouteChange, routeChanges } from './preview-routes.ts'
import { type SessionChange, sessionChanges } from './preview-sessions.ts'
import { type SettledController, settledController } from './settle.ts'
import { type Lists, type Snapshot, snapshotOf } from './snapshot.ts'

/*
 * What a change would do. The cluster is taken as it is, then as it would be with the change; in both the programs' own
 * functions decide, and what differs is told:
 *
 *   lists ─→ snapshot ─→ controller's desk, until it has nothing left to do ─→ addresses ─→ speakers' surveys and elections
 *     └─ change ─→ lists ─→ snapshot ─→ the same desk goes on ─────────────────→ addresses ─→ speakers' surveys and elections
 *
 * So what the programs would do anyhow, change or not, is no part of it. The whole change is taken at once. Since kubectl
 * applies one object after the other, and the controller acts in between, the objects are also taken one by one: where a
 * Service ends otherwise then, that is told too.
 */

/** What a change would do. */
export interface Preview {
  readonly takenAtMs: number
  /** The objects of the change, in its order, but for those that it leaves as they are. */
  readonly objects: readonly { readonly name: ObjectName; readonly outcome: Stepped['outcome'] }[]
  /** Whose addresses change, by name. */
  readonly services: readonly AddressChange[]
  /** The same if the objects come one by one, and the controller has time for each; only Services that end otherwise then. */
  readonly oneByOne: readonly AddressChange[]
  readonly verdicts: readonly VerdictChange[]
  readonly layer2: readonly AnnouncementChange[]
  readonly routes: readonly RouteChange[]
  readonly sessions: readonly SessionChange[]
  /** Services that would notice, by name. */
  readonly affected: readonly string[]
  /** What could not be told. */
  readonly unknown: readonly string[]
}

/** A Service whose addresses change. */
export interface AddressChange {
  readonly service: string
  /** `none`: only in `oneByOne`, for a Service that keeps all that it would lose at once. */
  readonly effect: 'loses' | 'changes' | 'gets' | 'none'
  readonly before: readonly string[]
  readonly after: readonly string[]
  /** As the controller says it, in the condition and Events of the Service. */
  readonly reason: string
  readonly message: string
}

/** An object of the configuration that becomes in use as written, or no longer is, or is for another reason. */
export interface VerdictChange {
  readonly kind: string
  readonly name: string
  readonly ready: boolean
  readonly reason: string
  readonly message: string
}

/** What a preview goes by besides the lists and the change. */
export interface PreviewOptions extends ChangeOptions {
  readonly loadBalancerClass: string | undefined
  /** What cannot be told, since the lists lack it. */
  readonly unknown?: readonly string[]
  /** Whether nodes without a Lease of a speaker are taken to have one: where no Leases are known at all. */
  readonly assumeSpeakers?: boolean
}

export function previewOf(lists: Lists, steps: readonly Step[], options: PreviewOptions): Preview {
  const { namespace, nowMs, loadBalancerClass } = options
  const stepped = takeSteps(lists, steps, options)
  const moves = stepped.filter(({ outcome }) => outcome !== 'unchanged' && outcome !== 'notThere')
  const before = snapshotOf(lists, namespace, nowMs)
  const after = snapshotOf(stepped.at(-1)?.lists ?? lists, namespace, nowMs)

  const controller = settledController(before, loadBalancerClass)
  const atRest = new Map(controller.services)
  controller.moveTo(after, servicesOf(moves))
  const services = addressChanges(atRest, controller)

  const pictureBefore = pictureOf({ ...before, services: atRest }, loadBalancerClass)
  const pictureAfter = pictureOf({ ...after, services: controller.services }, loadBalancerClass)
  const { assumeSpeakers = false } = options
  const plans = { before: plansOf(pictureBefore, assumeSpeakers), after: plansOf(pictureAfter, assumeSpeakers) }
  const pair = { before: pictureBefore, after: pictureAfter, assumeSpeakers, plans }
  const layer2 = announcementChanges(pair)
  const routes = routeChanges(pair)
  const sessions = sessionChanges(pair)
  const oneByOne = moves.length > 1 ? otherwiseOneByOne(before, moves, services, options) : []
  const affected = new Set([
    ...[...services, ...oneByOne, ...layer2].map(({ service }) => service),
    ...[...routes, ...sessions].flatMap(change => change.services),
  ])
  return {
    takenAtMs: nowMs,
    objects: stepped.filter(({ outcome }) => outcome !== 'unchanged').map(({ name, outcome }) => ({ name, outcome })),
    services,
    oneByOne,
    verdicts: verdictChanges(before, after),
    layer2,
    routes,
    sessions,
    affected: [...affected].sort(),
    unknown: options.unknown ?? [],
  }
}

function takeSteps(lists: Lists, steps: readonly Step[], options: ChangeOptions): readonly Stepped[] {
  const taken: Stepped[] = []
  for (const step of steps) taken.push(takeStep(taken.at(-1)?.lists ?? lists, step, options))
  return taken
}

function servicesOf(moves: readonly Stepped[]): ReadonlySet<string> {
  const own = moves.filter(({ name }) => name.kind === 'Service')
  return new Set(own.map(({ name }) => `${name.namespace}/${name.name}`))
}

function addressChanges(before: ReadonlyMap<string, Service>, controller: SettledController): readonly AddressChange[] {
  const keys = [...new Set([...before.keys(), ...controller.services.keys()])].sort()
  return keys.flatMap(key => {
    const change = addressChange(key, before.get(key), controller)
    return change.effect === 'none' ? [] : [change]
  })
}

function addressChange(
  service: string,
  earlier: Service | undefined,
  { services, actions }: SettledController,
): AddressChange {
  const now = services.get(service)
  const [before, after] = [textsOf(earlier), textsOf(now)]
  const lost = before.filter(address => !after.includes(address))
  const added = after.filter(address => !before.includes(address))
  const effect = lost.length > 0 ? (added.length > 0 ? 'changes' : 'loses') : added.length > 0 ? 'gets' : 'none'
  const condition = now?.conditions.find(({ type }) => type === allocatedCondition)
  const told = (actions.get(service) ?? []).findLast(({ kind }) => kind === 'setCondition')
  const said = told?.kind === 'setCondition' ? told.condition : condition
  const { reason, message } = now ? (said ?? notOurs) : deleted
  return { service, effect, before, after, reason, message }
}

const deleted = { reason: 'Removed', message: 'The Service is removed.' }
const notOurs = { reason: 'NotBerths', message: 'The Service is none of Berth’s any more.' }

function textsOf(service: Service | undefined): readonly string[] {
  return service ? shownAddresses(service).map(formatAddress) : []
}

/** Services that end otherwise if the controller has time between the objects. */
function otherwiseOneByOne(
  before: Snapshot,
  moves: readonly Stepped[],
  atOnce: readonly AddressChange[],
  { namespace, nowMs, loadBalancerClass }: PreviewOptions,
): readonly AddressChange[] {
  const controller = settledController(before, loadBalancerClass)
  const atRest = new Map(controller.services)
  const said = new Map<string, AddressChange>()
  for (const move of moves) {
    const last = new Map(controller.services)
    controller.moveTo(snapshotOf(move.lists, namespace, nowMs), servicesOf([move]))
    // A Service may lose its address at one object and get another at the next: both reasons count, and the first says why.
    for (const change of addressChanges(last, controller)) said.set(change.service, said.get(change.service) ?? change)
  }
  const known = new Map(atOnce.map(change => [change.service, change]))
  const keys = [...new Set([...said.keys(), ...known.keys()])].sort()
  return keys.flatMap(key => {
    const { effect, before, after } = addressChange(key, atRest.get(key), controller)
    if (after.join() === (known.get(key)?.after ?? before).join()) return []
    const { reason, message } = said.get(key) ?? { reason: 'Kept', message: 'It keeps what it has.' }
    return [{ service: key, effect, before, after, reason, message }]
  })
}

function verdictChanges(before: Snapshot, after: Snapshot): readonly VerdictChange[] {
  const known = new Map(before.resolved.verdicts.map(verdict => [`${verdict.kind} ${verdict.key}`, verdict]))
  return after.resolved.verdicts
    .filter(({ kind, key, ready, reason, message }) => {
      const earlier = known.get(`${kind} ${key}`)
      if (ready) return earlier?.ready === false
      return earlier?.reason !== reason || earlier.message !== message
    })
    .map(({ kind, name, ready, reason, message }) => ({ kind, name, ready, reason, message }))
}
