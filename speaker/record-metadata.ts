import type { OwnerReference } from '../kube/lease.ts'
import type { KubeNode } from '../kube/node.ts'
import type { Service } from '../kube/service.ts'

/*
 * What the metadata of all objects that speakers write for people has in common: labels to find them by, an owner that
 * they vanish with, and names that fit.
 */

/** Group and version of the kinds. */
export const recordGroup = { group: 'berth.dev', version: 'v1beta1' } as const
/** Whose record it is, by the namespace of the installation: two of them in one cluster leave each other's alone. */
export const installationLabel = 'berth.dev/installation'
export const nodeLabel = 'berth.dev/node'

/** The longest name of an object; it must be a DNS subdomain. */
const longestName = 253
/** The longest value of a label. */
const longestLabel = 63

/** The text where it is short enough, else the beginning of it and a hash of the whole. */
function shortened(text: string, longest: number): string {
  if (text.length <= longest) return text
  const hash = fnv1a(text).toString(16).padStart(8, '0')
  return `${text.slice(0, longest - 9).replace(/[^A-Za-z0-9]+$/, '')}-${hash}`
}

/** A name of an object, made of others' names. */
export function recordNameOf(text: string): string {
  return shortened(text, longestName)
}

/** A name as a label's value: a node's may have 253 characters. */
export function labelValueOf(name: string): string {
  return shortened(name, longestLabel)
}

/** What belongs to a node goes with it. */
export function nodeOwner({ name, uid }: Pick<KubeNode, 'name' | 'uid'>): OwnerReference {
  return { apiVersion: 'v1', kind: 'Node', name, uid }
}

/** What belongs to a Service and a node: it is in the Service's namespace, and goes with the Service. */
export function serviceRecordMetadata(
  service: Pick<Service, 'namespace' | 'name' | 'uid'>,
  node: string,
  installation: string,
): object {
  return {
    namespace: service.namespace,
    labels: {
      [installationLabel]: installation,
      [nodeLabel]: labelValueOf(node),
      'berth.dev/service-name': service.name,
      'berth.dev/service-namespace': service.namespace,
    },
    ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: service.name, uid: service.uid }],
  }
}

/** FNV-1a, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}
