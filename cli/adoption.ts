import { conflictLastsMs } from '../controller/desk.ts'
import { compareAge, createLedger, type Grant, type Ledger, type LedgerView } from '../controller/ledger.ts'
import { adoptable, type Snapshot as Case } from '../controller/plan.ts'
import { namespacesFrom, type PoolBook } from '../controller/pool-choice.ts'
import { isOfClass, isRefusal, requestOf, shownAddresses } from '../controller/request.ts'
import type { AddressConflict } from '../crds/parsed.ts'
import type { Labels } from '../crds/selector.ts'
import type { Service } from '../kube/service.ts'

/*
 * Who holds which address, as a controller would take it over that starts at this moment: the oldest Service first, each
 * what it shows and may keep.
 *
 * Whoever looks again and again hands in what came out last time. Where no Service stands in another's way, what it holds
 * follows from itself and from the rules alone; so as long as the rules are the same, those that have changed are gone
 * through and no others. Where one of them meets another at an address, or had met one, all begins anew.
 */

/** The rules and the Services that they are for. */
export interface Claims {
  readonly services: ReadonlyMap<string, Service>
  readonly loadBalancerClass: string | undefined
  readonly book: PoolBook
  readonly labelsByNamespace: ReadonlyMap<string, Labels>
  /** What other stations were seen to have. */
  readonly conflicts: readonly AddressConflict[]
}

/** Who holds what, and what that was made of. */
export interface Adoption {
  readonly ledger: Ledger
  readonly services: Claims['services']
  readonly rules: string
  /** Whether what some Service has not got depends on another. */
  readonly isEntangled: boolean
}

/** Takes over what the Services show. `before` is used up: where it can be brought up to date, its ledger is what comes out. */
export function adopt(claims: Claims, nowMs: number, before?: Adoption): Adoption {
  const conflicts = claims.conflicts.filter(({ seenAtMs }) => nowMs < seenAtMs + conflictLastsMs)
  const current = { ...claims, conflicts }
  const rules = rulesOf(current)
  const isUpToDate = before?.rules === rules && !before.isEntangled && bringUpToDate(before, current)
  return isUpToDate ? { ...before, services: claims.services } : begin(current, rules)
}

function begin(claims: Claims, rules: string): Adoption {
  const ledger = createLedger(claims.book.pools)
  for (const conflict of claims.conflicts) ledger.avoid(conflict)
  const look = caseOf(claims, ledger)
  const showing = [...claims.services.values()].filter(({ ingress }) => ingress.length > 0).sort(compareAge)
  for (const service of showing) {
    const grant = adoptable(look(service))
    if (grant) ledger.hold(grant)
  }
  const isEntangled = showing.some(service => dependsOnOthers(ledger, claims, service))
  return { ledger, services: claims.services, rules, isEntangled }
}

/** Whether the ledger is now as if all had begun anew; if not, it is worth nothing any more. */
function bringUpToDate({ ledger, services: before }: Adoption, claims: Claims): boolean {
  const look = caseOf(claims, ledger)
  const came: Service[] = []
  for (const service of claims.services.values()) if (before.get(service.key) !== service) came.push(service)
  const went = [...came, ...missing(before, claims.services)].flatMap(({ key }) => ledger.grantOf(key) ?? [])
  for (const { service } of went) ledger.release(service)
  for (const service of came) {
    const grant = adoptable(look(service))
    if (grant) ledger.hold(grant)
    if (dependsOnOthers(ledger, claims, service) || (grant && isShared(ledger, grant))) return false
  }
  return true
}

function caseOf({ book, labelsByNamespace, loadBalancerClass }: Claims, ledger: Ledger): (service: Service) => Case {
  const namespaces = namespacesFrom(labelsByNamespace)
  return service => ({ service, ledger, book, namespaces, loadBalancerClass })
}

/** All but the Services, as a text by which two of them can be compared. */
function rulesOf({ loadBalancerClass, book, labelsByNamespace, conflicts }: Claims): string {
  return JSON.stringify([loadBalancerClass, book, [...labelsByNamespace], conflicts], (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}` : value,
  )
}

function missing(before: ReadonlyMap<string, Service>, after: ReadonlyMap<string, Service>): readonly Service[] {
  return [...before.values()].filter(({ key }) => !after.has(key))
}

function isShared(ledger: LedgerView, { addresses }: Grant): boolean {
  return addresses.some(address => ledger.holdersOf(address).length > 1)
}

/** Whether the Service is without an address that it shows since another has it, or must have a second that may run out. */
function dependsOnOthers(ledger: LedgerView, { loadBalancerClass }: Claims, service: Service): boolean {
  const shown = shownAddresses(service)
  if (shown.length === 0 || service.type !== 'LoadBalancer' || !isOfClass(service, loadBalancerClass)) return false
  const request = requestOf(service)
  if (isRefusal(request)) return false
  const holds = (holders: readonly Grant[]): boolean => holders.some(holder => holder.service === service.key)
  const isTaken = shown.map(address => ledger.holdersOf(address)).some(all => all.length > 0 && !holds(all))
  const granted = ledger.grantOf(service.key)?.addresses.length ?? 0
  return isTaken || (request.wish.kind === 'both' && granted < 2)
}
