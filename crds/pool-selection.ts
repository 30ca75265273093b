import type { IPAddressPool, Layer2Advertisement, PoolSelection } from './config.ts'
import type { ParsedL2Advertisement, PoolReferences, Resolution, ResolvedPool, ResourceProblem } from './parsed.ts'
import { matchesAny } from './selector.ts'
import { capitalised, firstFew, quoted } from './words.ts'

/** An L2Advertisement with its pools looked up. */
export function resolveLayer2Advertisement(
  resource: ParsedL2Advertisement,
  pools: readonly ResolvedPool[],
): Resolution<Layer2Advertisement> {
  if (!resource.value) return { resource, value: undefined, problem: resource.problem }
  const { selection, problem } = selectPools(resource.value.pools, pools)
  const value = selection && { ...resource.value, pools: selection }
  return { resource, value, problem: problem ?? resource.problem }
}

/** The pools that an advertisement speaks for; no selection where all that it names or selects is unknown. */
export function selectPools(
  references: PoolReferences,
  pools: readonly ResolvedPool[],
): { readonly selection: PoolSelection | undefined; readonly problem: ResourceProblem | undefined } {
  const { names, selectors } = references
  if (names.length === 0 && selectors.length === 0) return { selection: { kind: 'all' }, problem: undefined }
  const known = new Set(pools.map(pool => pool.resource.name))
  const chosen = new Set(names.filter(name => known.has(name)))
  for (const { resource } of pools) if (matchesAny(selectors, resource.labels)) chosen.add(resource.name)
  const missing = names.filter(name => !known.has(name)).map(name => `there is no IPAddressPool "${name}"`)
  if (missing.length === 0 && chosen.size > 0)
    return { selection: { kind: 'named', pools: chosen }, problem: undefined }
  if (selectors.length > 0 && chosen.size === 0)
    missing.push('no IPAddressPool has labels that ipAddressPoolSelectors ask for')
  const rest = chosen.size > 0 ? `Goes on with ${quoted([...chosen])}.` : 'Announces nothing until then.'
  const message = `${capitalised(firstFew(missing))}. Create it, or correct the reference. ${rest}`
  const selection = chosen.size > 0 ? ({ kind: 'named', pools: chosen } as const) : undefined
  return { selection, problem: { reason: 'UnknownPool', message } }
}

/** The pools of a selection that can be read, as their admins wrote them. */
export function selectedPools(selection: PoolSelection, pools: readonly ResolvedPool[]): readonly IPAddressPool[] {
  return pools.flatMap(({ resource }) => {
    // As written, and not what an overlap has left of it: pieces of a network are no reason to complain of an aggregate.
    return resource.value && isSelected(selection, resource.name) ? [resource.value] : []
  })
}

/** The names of the pools of a selection, those included that are set aside. */
export function selectedNames(selection: PoolSelection, pools: readonly ResolvedPool[]): readonly string[] {
  return pools.map(pool => pool.resource.name).filter(name => isSelected(selection, name))
}

export function isSelected(selection: PoolSelection, pool: string): boolean {
  return selection.kind === 'all' || selection.pools.has(pool)
}
