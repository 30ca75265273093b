import type { Service } from '../../kube/service.ts'
import { defaultDetectorSettings } from '../../speaker/layer2/detector-state.ts'
import { elect } from '../../speaker/layer2/election.ts'
import { defaultEvidenceSettings } from '../../speaker/layer2/evidence.ts'
import { groupsOf } from '../../speaker/layer2/groups.ts'
import { membersOf, noMembership, observe } from '../../speaker/layer2/membership.ts'
import { defaultPacingSettings } from '../../speaker/layer2/pacing.ts'
import { recordKey } from '../../speaker/layer2/record.ts'
import { endpointsOn, node as nodeFacts, service } from '../../speaker/test-values.ts'
import { createRandom } from '../seeded-random.ts'
import { type ClusterConfig, createApiServer } from './api-server.ts'
import { createMachine, type Machine } from './machine.ts'
import { createMonitor, type Monitor } from './monitor.ts'
import { createNetwork } from './network.ts'
import { createTimeline } from './timeline.ts'
import { createSurveys, type SimulationSettings, type World } from './world.ts'

export const defaultSettings: SimulationSettings = {
  intervalMs: 100,
  detectMultiplier: 3,
  leaseDurationMs: 10_000,
  renewPeriodMs: 3_000,
  detector: defaultDetectorSettings,
  evidence: defaultEvidenceSettings,
  planPauseMs: 5,
  ...defaultPacingSettings,
}

export interface ClusterOptions {
  readonly seed: number
  readonly nodes: number
  readonly addresses: number
  /** The API server stands on side 0 of the nodes' network, or is reached by a way of its own. */
  readonly apiApart: boolean
  /** So many nodes, the last ones, have no speaker yet. */
  readonly later?: number
  readonly settings?: Partial<SimulationSettings>
}

/** A cluster that has been at rest for a while: every address has its node, every session is up. */
export interface Cluster extends World {
  readonly names: readonly string[]
  readonly addresses: readonly string[]
  readonly monitor: Monitor
}

export function createCluster(options: ClusterOptions): Cluster {
  const random = createRandom(options.seed)
  const timeline = createTimeline()
  const names = Array.from({ length: options.nodes }, (_, index) => `n${String(index + 1).padStart(2, '0')}`)
  const services = Array.from({ length: options.addresses }, (_, index) =>
    service(`s${index}`, [`10.0.${index >> 8}.${index & 255}`]),
  )
  const addresses = services.map((_, index) => `10.0.${index >> 8}.${index & 255}`)
  const endpoints = endpointsOn(...names)
  const config: ClusterConfig = {
    services,
    endpoints: () => endpoints,
    nodes: new Map(names.map(name => [name, nodeFacts(name)])),
  }
  const network = createNetwork(random, { apiSide: options.apiApart ? -1 : 0 })
  const machines = new Map<string, Machine>()
  const settings = { ...defaultSettings, ...options.settings }
  const api = createApiServer(config)
  const base = {
    timeline,
    random,
    network,
    api,
    settings,
    machines,
    surveys: createSurveys(),
    strangers: new Set<string>(),
  }
  const monitor = createMonitor(base, addresses)
  const cluster: Cluster = { ...base, onAnswers: monitor.onAnswers, names, addresses, monitor }
  for (const [index, name] of names.entries()) machines.set(name, createMachine(cluster, name, index + 1))
  begin(cluster, services, names.slice(0, names.length - (options.later ?? 0)))
  return cluster
}

/** How long addresses need to be begun with. */
const settlingMs = 500

function begin(cluster: Cluster, services: readonly Service[], names: readonly string[]): void {
  const { api, machines, settings, timeline, monitor } = cluster
  for (const name of names) {
    const interfaces = [{ name: 'eth0', mac: machines.get(name)?.mac ?? '', carrier: true, subnets: ['10.0.0.0/16'] }]
    api.renew({ node: name, run: `${name}-1`, leaving: false, interfaces }, settings.leaseDurationMs)
  }
  let membership = noMembership({ node: '', run: '' }, (settings.renewPeriodMs * 4) / 3, 0)
  for (const lease of api.leases.values()) membership = observe(membership, { kind: 'leaseSeen', lease, nowMs: 0 })
  membership = { ...membership, joined: true }
  api.onChange = monitor.onChange
  claimAll({ api, membership: membersOf(membership) }, services)
  api.onChange = change => {
    monitor.onChange(change)
    for (const machine of machines.values()) machine.process?.main.pull()
  }
  for (const name of names) machines.get(name)?.start({ membership })
  timeline.runUntil(settlingMs)
}

function claimAll(
  { api, membership }: { readonly api: Cluster['api']; readonly membership: ReturnType<typeof membersOf> },
  services: readonly Service[],
): void {
  const { survey } = createSurveys().get(api.config, membership)
  const offered = services.flatMap(one => {
    const found = survey.advertisementsFor(one, api.config.endpoints(one))
    return found?.kind === 'offered' ? [found] : []
  })
  const groups = groupsOf(offered)
  const verdicts = elect(groups.map(({ key, candidates }) => ({ key, candidates, owner: undefined })))
  for (const { key, members } of groups) {
    const owner = verdicts.get(key)?.node ?? ''
    for (const { service: one, offers } of members) {
      api.claim(one, { node: owner, because: 'first', from: undefined }, undefined)
      const record = api.records.get(recordKey(one))
      if (record)
        api.publish(record, { node: owner, addresses: offers.map(({ text }) => text).sort(), interfaces: ['eth0'] })
    }
  }
}
