import { type Address, formatAddress, parseAddress, sameAddress } from '../net/address.ts'
import type { AddressRequest } from './service.ts'

/*
 * What a Service asks for in annotations. A MetalLB user's manifests work as they are: `metallb.io/…` and the older
 * `metallb.universe.tf/…` are read where `berth.dev/…` is absent.
 */

/** The annotations that Berth reads or writes, by the name after the slash. */
export type AnnotationName = 'address-pool' | 'loadBalancerIPs' | 'allow-shared-ip' | 'ip-allocated-from-pool'

/** First wins. */
const prefixes = ['berth.dev', 'metallb.io', 'metallb.universe.tf'] as const

interface Annotation {
  /** As the user wrote it, prefix included. */
  readonly name: string
  readonly value: string
}

/** The annotation of that name under the first prefix that has it; an empty one counts as "none asked for". */
export function annotationOf(
  annotations: Readonly<Record<string, string>>,
  name: AnnotationName,
): Annotation | undefined {
  for (const prefix of prefixes) {
    const full = `${prefix}/${name}`
    if (!Object.hasOwn(annotations, full)) continue
    const value = annotations[full]?.trim()
    return value ? { name: full, value } : undefined
  }
  return undefined
}

const nothingAsked: AddressRequest = Object.freeze({
  addresses: Object.freeze([]),
  pool: undefined,
  sharingKey: undefined,
  problem: undefined,
})

/** What is asked for by annotations and by `spec.loadBalancerIP`. */
export function parseRequest(
  annotations: Readonly<Record<string, string>>,
  loadBalancerIP: string | undefined,
): AddressRequest {
  const pool = annotationOf(annotations, 'address-pool')?.value
  const sharingKey = annotationOf(annotations, 'allow-shared-ip')?.value
  const asked = parseAddresses(annotationOf(annotations, 'loadBalancerIPs'), loadBalancerIP?.trim())
  if (pool === undefined && sharingKey === undefined && asked === nothing) return nothingAsked
  return { addresses: asked.addresses, pool, sharingKey, problem: asked.problem }
}

type AskedAddresses = Pick<AddressRequest, 'addresses' | 'problem'>

const nothing: AskedAddresses = { addresses: [], problem: undefined }

function parseAddresses(annotation: Annotation | undefined, loadBalancerIP: string | undefined): AskedAddresses {
  const bySpec = loadBalancerIP ? parseList('spec.loadBalancerIP', [loadBalancerIP]) : undefined
  const byAnnotation = annotation
    ? parseList(
        `the annotation ${annotation.name}`,
        annotation.value.split(',').map(text => text.trim()),
      )
    : undefined
  if (bySpec === undefined || bySpec.problem !== undefined) return bySpec ?? byAnnotation ?? nothing
  if (byAnnotation === undefined || byAnnotation.problem !== undefined) return byAnnotation ?? bySpec
  const [one] = bySpec.addresses
  if (one && byAnnotation.addresses.some(other => sameAddress(one, other))) return byAnnotation
  return problem(
    `spec.loadBalancerIP asks for ${loadBalancerIP} but the annotation ${annotation?.name} for ` +
      `${byAnnotation.addresses.map(formatAddress).join(',')}; remove one of the two`,
  )
}

function parseList(where: string, texts: readonly string[]): AskedAddresses {
  const addresses: Address[] = []
  for (const text of texts) {
    const address = parseAddress(text)
    if (address === undefined) {
      return problem(
        `${where}: "${shortened(text)}" is not an IP address; write one IPv4 address, one IPv6 address, ` +
          'or one of each separated by a comma, for example 192.0.2.10,2001:db8::10',
      )
    }
    const sameFamily = addresses.find(other => other.family === address.family)
    if (sameFamily !== undefined) {
      return problem(
        `${where} asks for two ${address.family} addresses, ${formatAddress(sameFamily)} and ${formatAddress(address)}; ` +
          'a Service gets at most one of each family, so remove one or make a second Service',
      )
    }
    addresses.push(address)
  }
  return { addresses, problem: undefined }
}

function problem(text: string): AskedAddresses {
  return { addresses: [], problem: text }
}

function shortened(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 60)}…`
}
