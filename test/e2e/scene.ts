import { onTestFailed, vi } from 'vitest'
import { berthNamespace, type Program, type ProgramOptions, startBerth } from '../lab/berth.ts'
import { type Lab, type LabOptions, startLab } from '../lab/lab.ts'
import type { LabNode } from '../lab/node.ts'
import { whoHas } from '../lab/probe.ts'

/** A lab in which Berth runs and may hand out addresses on the segment. */
export interface Scene extends AsyncDisposable {
  readonly lab: Lab
  controller: Program
  /** By node. */
  readonly speakers: Map<string, Program>
  /** Creates a Service and waits for as many addresses as it wants. */
  createService(name: string, spec?: ServiceSpec): Promise<readonly string[]>
  addressesOf(name: string): Promise<readonly string[]>
  node(name: string): LabNode
  /** The names of all nodes that answer for the address, sorted; a MAC address where no node has it. */
  answerers(address: string): Promise<readonly string[]>
  /** Waits until one node alone answers for the address, and is none of `not`. */
  ownerOf(address: string, options?: { not?: readonly string[]; timeoutMs?: number }): Promise<LabNode>
  /** Within a test: should it fail, the last words of all programs are printed. */
  tellOnFailure(): void
}

export interface ServiceSpec {
  readonly families?: readonly ('IPv4' | 'IPv6')[]
  readonly externalTrafficPolicy?: 'Cluster' | 'Local'
  readonly ports?: readonly { readonly name: string; readonly protocol: string; readonly port: number }[]
  readonly annotations?: Readonly<Record<string, string>>
}

export const httpOnly = [{ name: 'http', protocol: 'TCP', port: 80 }] as const
export const patience = { timeout: 30_000, interval: 100 } as const

/** An object of Berth's configuration, in its namespace. */
export interface ConfigurationObject {
  readonly kind: string
  readonly name: string
  readonly spec: object
}

/** One pool on the segment, announced by layer 2. */
export const onSegment: readonly ConfigurationObject[] = [
  {
    kind: 'IPAddressPool',
    name: 'segment',
    spec: { addresses: ['192.0.2.100-192.0.2.199', '2001:db8:0:2::100-2001:db8:0:2::1ff'] },
  },
  { kind: 'L2Advertisement', name: 'segment', spec: { ipAddressPools: ['segment'], interfaces: ['eth0'] } },
]

/** Starts the lab, Berth's programs and applies its configuration; ready when addresses can be assigned. */
export async function startScene(
  options: LabOptions,
  configuration = onSegment,
  speaker: ProgramOptions = {},
): Promise<Scene> {
  const lab = await startLab({ progress: console.warn, ...options })
  try {
    const { controller, speakers } = await startBerth(lab, speaker)
    const items = configuration.map(({ kind, name, spec }) => ({
      apiVersion: 'berth.dev/v1beta1',
      kind,
      metadata: { name, namespace: berthNamespace },
      spec,
    }))
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
    await lab.controlPlane.kubectl(['apply', '-f', '-'], { input })
    return sceneOf(lab, controller, speakers)
  } catch (error) {
    await lab.stop()
    throw error
  }
}

function sceneOf(lab: Lab, controller: Program, speakers: Map<string, Program>): Scene {
  const scene: Scene = {
    lab,
    controller,
    speakers,
    async createService(name, spec = {}) {
      const families = spec.families ?? ['IPv4', 'IPv6']
      await lab.controlPlane.kubectl(['apply', '-f', '-'], {
        input: JSON.stringify(serviceObject(name, families, spec)),
      })
      return await vi.waitFor(async () => {
        const addresses = await scene.addressesOf(name)
        if (addresses.length !== families.length) throw new Error(`${name} has ${addresses.length} addresses`)
        return addresses
      }, patience)
    },
    async addressesOf(name) {
      const jsonpath = 'jsonpath={.status.loadBalancer.ingress[*].ip}'
      const text = await lab.controlPlane.kubectl(['get', 'service', name, '-o', jsonpath])
      return text.split(' ').filter(address => address !== '')
    },
    node(name) {
      const node = lab.nodes.find(candidate => candidate.name === name)
      if (node === undefined) throw new Error(`there is no ${name}`)
      return node
    },
    async answerers(address) {
      const macs = await whoHas(lab.client, address)
      return macs.map(mac => lab.nodes.find(node => node.mac === mac)?.name ?? mac).sort()
    },
    async ownerOf(address, { not = [], timeoutMs = patience.timeout } = {}) {
      return await vi.waitFor(
        async () => {
          const [name, ...others] = await scene.answerers(address)
          if (name === undefined) throw new Error(`nobody answers for ${address}`)
          if (others.length > 0) throw new Error(`${[name, ...others].join(' and ')} answer for ${address}`)
          if (not.includes(name)) throw new Error(`${name} still answers for ${address}`)
          return scene.node(name)
        },
        { ...patience, timeout: timeoutMs },
      )
    },
    tellOnFailure() {
      onTestFailed(async () => {
        for (const program of [scene.controller, ...speakers.values()]) {
          console.warn(`${program.name}${program.running ? '' : ' (ended)'}:\n${await program.logTail(40)}`)
        }
      })
    },
    async [Symbol.asyncDispose]() {
      // The next lab at the same control plane need not wait until this controller's lease runs out.
      if (scene.controller.running) await scene.controller.stop()
      await lab.stop()
    },
  }
  return scene
}

function serviceObject(name: string, families: readonly string[], spec: ServiceSpec): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, annotations: spec.annotations ?? {} },
    spec: {
      type: 'LoadBalancer',
      ipFamilyPolicy: families.length > 1 ? 'RequireDualStack' : 'SingleStack',
      ipFamilies: families,
      externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster',
      ports: spec.ports ?? httpOnly,
    },
  }
}
