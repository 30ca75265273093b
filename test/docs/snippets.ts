import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { ConfigKind } from '../../crds/config.ts'
import { parseConfig } from '../../crds/parse.ts'
import type { ResolvedConfig } from '../../crds/resolve.ts'
import type { ConfigResources, Resource } from '../../crds/resources.ts'

/**
 * A fenced block of a page in docs/ whose line before is `<!-- snippet: NAME -->`: what a reader would copy, letter by
 * letter. Fails where there is none, so that no test runs on nothing.
 */
export function snippet(page: string, name: string): string {
  const found = snippets(page).get(name)
  if (found === undefined) throw new Error(`docs/${page} has no snippet ${name}`)
  return found
}

/** All of them, by name. */
export function snippets(page: string): ReadonlyMap<string, string> {
  const text = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8')
  const blocks = text.matchAll(/^<!-- snippet: (\S+) -->\n```\w+\n([^]*?)^```$/gm)
  return new Map(Array.from(blocks, ([, name = '', body = '']) => [name, body]))
}

/** The objects of a snippet of YAML. */
export function manifests(page: string, name: string): readonly Manifest[] {
  return parseAllDocuments(snippet(page, name)).map(document => document.toJS() as Manifest)
}

export interface Manifest extends Resource<object> {
  readonly kind: ConfigKind
  readonly metadata: { readonly name: string; readonly namespace: string }
}

/** What comes of objects that are applied together. */
export function resolved(objects: readonly Manifest[]): ResolvedConfig {
  const of = (kind: ConfigKind) => objects.filter(object => object.kind === kind)
  const resources: ConfigResources = {
    ipAddressPools: of('IPAddressPool'),
    l2Advertisements: of('L2Advertisement'),
    bgpAdvertisements: of('BGPAdvertisement'),
    bgpPeers: of('BGPPeer'),
    bfdProfiles: of('BFDProfile'),
    communities: of('Community'),
  }
  return parseConfig(resources, { namespace: 'berth-system' })
}
