import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { ControlPlane } from '../control-plane/control-plane.ts'
import { kill } from './namespace.ts'
import type { LabNode } from './node.ts'
import { batch } from './segment.ts'

/** One workload behind a Service: a real server on a node, and its line in the Service's EndpointSlices. */
export interface Endpoint {
  readonly node: LabNode
  /** Its pod's address in each family. */
  readonly ipv4: string
  readonly ipv6: string
  /** Says in the EndpointSlices that it is ready, or that it is not; the server answers either way. */
  setReady(ready: boolean): Promise<void>
  /** Says that it is terminating: not ready, still serving. */
  terminate(): Promise<void>
  /** Takes it out of the EndpointSlices and ends the server. */
  remove(): Promise<void>
}

interface Conditions {
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
}

interface Published {
  readonly node: LabNode
  readonly port: number
  readonly ipv4: string
  readonly ipv6: string
  conditions: Conditions
}

interface WireService {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly uid: string }
  readonly spec: {
    readonly ipFamilies?: readonly ('IPv4' | 'IPv6')[]
    readonly ports: readonly { readonly name?: string; readonly protocol: string }[]
  }
}

/** Stands in for kubelet and the EndpointSlice controller, so that a test can move an endpoint with one call. */
export interface Endpoints {
  readonly deploy: (service: string, node: LabNode, port: number) => Promise<Endpoint>
}

export function createEndpoints(controlPlane: ControlPlane): Endpoints {
  const byService = new Map<string, Set<Published>>()
  const podsOnNode = new Map<string, number>()
  let publishing: Promise<void> = Promise.resolve()

  /** One at a time, each with all that is known then. */
  async function publish(service: string): Promise<void> {
    const mine = publishing.then(() => apply(service))
    publishing = mine.catch(() => {})
    await mine
  }

  async function apply(key: string): Promise<void> {
    const [namespace = '', name = ''] = key.split('/')
    const service = JSON.parse(
      await controlPlane.kubectl(['-n', namespace, 'get', 'service', name, '-o', 'json']),
    ) as WireService
    const slices = (service.spec.ipFamilies ?? []).map(family =>
      sliceOf(service, family, [...(byService.get(key) ?? [])]),
    )
    if (slices.length === 0) return
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: slices })
    await controlPlane.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], { input })
  }

  return {
    async deploy(service, node, port) {
      const key = service.includes('/') ? service : `default/${service}`
      const { namespace, ordinal } = node
      const pod = 10 + (podsOnNode.get(node.name) ?? 0)
      podsOnNode.set(node.name, pod - 9)
      const ipv4 = `10.244.${ordinal}.${pod}`
      const ipv6 = `fd00:10:244:${ordinal}::${pod}`
      await batch(namespace, [`address add ${ipv4}/32 dev lo`, `address add ${ipv6}/128 dev lo nodad`])
      const script = join(import.meta.dirname, 'endpoint-process.ts')
      const server = namespace.spawn([process.execPath, script, node.name, String(port), ipv4, ipv6], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      // Its one line of output, or none when it could not start: what it said is on standard error.
      if (server.stdout === null || !(await firstLine(server.stdout))) throw new Error(`no endpoint on ${node.name}`)
      const published: Published = { node, port, ipv4, ipv6, conditions: conditionsOf(true, false) }
      const all = byService.get(key) ?? new Set()
      byService.set(key, all.add(published))
      await publish(key)
      return {
        node,
        ipv4,
        ipv6,
        async setReady(ready) {
          published.conditions = conditionsOf(ready, false)
          await publish(key)
        },
        async terminate() {
          published.conditions = conditionsOf(false, true)
          await publish(key)
        },
        async remove() {
          all.delete(published)
          await publish(key)
          await kill(server)
        },
      }
    },
  }
}

async function firstLine(output: Readable): Promise<string | undefined> {
  for await (const line of createInterface({ input: output })) return line
  return undefined
}

function conditionsOf(ready: boolean, terminating: boolean): Conditions {
  return { ready, serving: ready || terminating, terminating }
}

function sliceOf(service: WireService, family: 'IPv4' | 'IPv6', endpoints: readonly Published[]): object {
  const { namespace, name, uid } = service.metadata
  const ports = new Set(endpoints.map(endpoint => endpoint.port))
  if (ports.size > 1)
    throw new Error(`the endpoints of ${namespace}/${name} listen on different ports: one slice holds one`)
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace,
      name: `${name}-${family.toLowerCase()}`,
      labels: { 'kubernetes.io/service-name': name, 'endpointslice.kubernetes.io/managed-by': 'lab.berth.dev' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid }],
    },
    addressType: family,
    ports: service.spec.ports.map(port => ({
      name: port.name ?? '',
      protocol: port.protocol,
      port: [...ports][0] ?? 1,
    })),
    endpoints: endpoints.map(endpoint => ({
      addresses: [family === 'IPv4' ? endpoint.ipv4 : endpoint.ipv6],
      conditions: endpoint.conditions,
      nodeName: endpoint.node.name,
    })),
  }
}
