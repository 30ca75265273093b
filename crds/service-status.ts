import type { ServiceKey } from '../kube/service.ts'
import { type Address, parseAddress } from '../net/address.ts'
import { child, type Field, FieldProblem, listAt, textAt } from './field.ts'
import { metadataOf } from './metadata.ts'

/** A ServiceL2Status: what a node says it answers for. */
export interface ServiceL2Status {
  /** `namespace/name` of the object. */
  readonly key: string
  readonly name: string
  readonly uid: string
  readonly resourceVersion: string
  readonly node: string
  readonly service: ServiceKey
  readonly addresses: readonly Address[]
  /** Empty = all that can. */
  readonly interfaces: readonly string[]
  readonly sinceMs: number | undefined
}

/** The status, or undefined where it names no node or no Service, as one that was made a moment ago and not filled yet. */
export function parseServiceL2Status(object: unknown): ServiceL2Status | undefined {
  const metadata = metadataOf(object)
  if (!metadata) return undefined
  const { key, name, uid, resourceVersion } = metadata
  try {
    const status = child({ path: '', value: object }, 'status')
    const node = textAt(child(status, 'node'))
    const serviceName = textAt(child(status, 'serviceName'))
    const serviceNamespace = textAt(child(status, 'serviceNamespace'))
    if (node === undefined || serviceName === undefined || serviceNamespace === undefined) return undefined
    return {
      key,
      name,
      uid,
      resourceVersion,
      node,
      service: `${serviceNamespace}/${serviceName}`,
      addresses: listAt(child(status, 'addresses')).flatMap(addressAt),
      interfaces: listAt(child(status, 'interfaces')).flatMap(item => textAt(child(item, 'name')) ?? []),
      sinceMs: timeAt(child(status, 'since')),
    }
  } catch (error) {
    if (error instanceof FieldProblem) return undefined
    throw error
  }
}

function addressAt(field: Field): readonly Address[] {
  const address = parseAddress(textAt(field) ?? '')
  return address ? [address] : []
}

function timeAt(field: Field): number | undefined {
  const time = Date.parse(textAt(field) ?? '')
  return Number.isNaN(time) ? undefined : time
}
