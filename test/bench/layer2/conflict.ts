import { setTimeout as delay } from 'node:timers/promises'
import type { LabNode } from '../../lab/node.ts'
import { batch, sysctl } from '../../lab/segment.ts'
import { startWatch } from '../../lab/watch.ts'
import type { BenchApi } from '../api.ts'
import { number, promiseTable, table } from '../report.ts'
import { median } from '../statistics.ts'
import { inLab, onStage, type Progress } from './lab.ts'
import { both } from './services.ts'
import { berth } from './speakers.ts'
import type { Stage } from './stage.ts'

const promisedMs = 1_000
const giveUpMs = 20_000
/** Each Service has a rival once: three kinds of them share the 25. */
const runsOfEach = 8

/** Somebody who answers for an address that a speaker announces. */
interface Rival {
  readonly name: string
  readonly family: 'IPv4' | 'IPv6'
  /** Everything but the answer, which `begin` starts and `end` stops for good. */
  prepare(stage: Stage, address: string, owner: string): Promise<{ begin(): Promise<void>; end(): Promise<void> }>
}

interface Told {
  readonly rival: string
  readonly conditionMs: readonly number[]
  readonly eventMs: readonly number[]
}

/** How long it takes until a Service says that somebody else answers for its address. */
export async function conflictSection(options: {
  readonly quick: boolean
  readonly progress: Progress
}): Promise<string> {
  const told: Told[] = []
  await inLab(3, options.progress, async (lab, api) => {
    await onStage(lab, await berth(lab), options.progress, async stage => {
      for (const [index, rival] of [stranger('IPv4'), stranger('IPv6'), ipvs].entries()) {
        const conditionMs: number[] = []
        const eventMs: number[] = []
        for (let run = 0; run < (options.quick ? 1 : runsOfEach); run++) {
          const [condition, event] = await meet(stage, api, rival, index * runsOfEach + run)
          options.progress(
            `${rival.name}: condition after ${condition.toFixed(0)} ms, Event after ${event.toFixed(0)} ms`,
          )
          conditionMs.push(condition)
          eventMs.push(event)
        }
        told.push({ rival: rival.name, conditionMs, eventMs })
      }
    })
  })
  return conflictText(told)
}

/** From the rival's first possible answer until people could read of it, in the Service's condition and in an Event. */
async function meet(
  stage: Stage,
  api: BenchApi,
  rival: Rival,
  service: number,
): Promise<readonly [conditionMs: number, eventMs: number]> {
  const address = both(service)[rival.family === 'IPv4' ? 0 : 1]
  const owner = (await stage.settle()).get(address)
  if (owner === undefined) throw new Error(`no node answers for ${address}`)
  const text = `answers for ${address} too`
  const condition = await firstMention(api, '/api/v1/namespaces/default/services', text)
  const event = await firstMention(api, '/apis/events.k8s.io/v1/namespaces/default/events', text)
  const prepared = await rival.prepare(stage, address, owner)
  // Whoever asks is who would meet the rival; and without anybody who asks nobody can know of it.
  const watch = await startWatch(stage.lab.client, [address], 100)
  await delay(2_000)
  const beganAtMs = performance.now()
  await prepared.begin()
  const toldAtMs = await Promise.all([condition.atMs, event.atMs])
  await prepared.end()
  await watch.stop()
  return [toldAtMs[0] - beganAtMs, toldAtMs[1] - beganAtMs]
}

/** When an object of the list holds the text for the first time. */
async function firstMention(api: BenchApi, path: string, text: string): Promise<{ readonly atMs: Promise<number> }> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const watch = await api.watch(`${path}?watch=true`, (_, object) => {
    if (JSON.stringify(object).includes(text)) resolve(performance.now())
  })
  const late = setTimeout(() => reject(new Error(`${path} never said that a rival ${text}`)), giveUpMs)
  const stop = (): void => {
    clearTimeout(late)
    watch.close()
  }
  promise.then(stop, stop)
  return { atMs: promise }
}

/** A machine of nobody's, whose kernel has the address. */
function stranger(family: Rival['family']): Rival {
  return {
    name: `a stranger’s host, ${family}`,
    family,
    async prepare({ lab }, address) {
      const namespace = await lab.world.createNamespace()
      const mac = '02:00:00:00:00:66'
      await lab.segment.attach(namespace, { port: 'stranger', interface: 'eth0', mac, addresses: [] })
      const added = family === 'IPv4' ? `${address}/24` : `${address}/64`
      const nodad = family === 'IPv4' ? [] : ['nodad']
      return {
        begin: async () => void (await namespace.run(['ip', 'address', 'add', added, 'dev', 'eth0', ...nodad])),
        end: async () => await namespace.end(),
      }
    },
  }
}

/** The kernel of another node, as kube-proxy makes it in IPVS mode without strictARP: it answers on any interface. */
const ipvs: Rival = {
  name: 'kube-ipvs0 of another node',
  family: 'IPv4',
  async prepare({ lab }, address, owner) {
    const other = lab.nodes.find(node => node.name !== owner)
    if (!other) throw new Error('there is one node only')
    await other.namespace.run(['ip', 'link', 'add', 'kube-ipvs0', 'type', 'veth', 'peer', 'name', 'ipvs-peer'])
    await setKernelAnswers(other, true)
    return {
      begin: async () =>
        void (await other.namespace.run(['ip', 'address', 'add', `${address}/32`, 'dev', 'kube-ipvs0'])),
      async end() {
        await other.namespace.run(['ip', 'link', 'del', 'kube-ipvs0'])
        await setKernelAnswers(other, false)
      },
    }
  },
}

/** While the kernel answers for what it has, it must not have what answers the benchmark's pings (`answerPings`). */
async function setKernelAnswers({ namespace }: LabNode, answers: boolean): Promise<void> {
  await batch(namespace, [`route ${answers ? 'del' : 'add'} local 192.0.2.96/27 dev lo`])
  await sysctl(namespace, { 'net.ipv4.conf.all.arp_ignore': answers ? 0 : 1 })
}

function conflictText(told: readonly Told[]): string {
  const rows = told.map(({ rival, conditionMs, eventMs }) => [
    rival,
    number(conditionMs.length),
    `${number(median(conditionMs))} ms`,
    `${number(Math.max(...conditionMs))} ms`,
    `${number(median(eventMs))} ms`,
    `${number(Math.max(...eventMs))} ms`,
  ])
  return `## Layer 2: how soon a conflict is seen

On three nodes somebody else begins to answer for an address that is announced, without a word to anybody: it says nothing
until it is asked, which a client does ten times a second. The time runs from its first possible answer until the
Service's condition says so, and until an Event does.

${table(['who answers too', 'times', 'condition, p50', 'worst', 'Event, p50', 'worst'], rows)}

${promiseTable([
  {
    promise: 'a conflict is seen',
    value: Math.max(...told.flatMap(one => [...one.conditionMs, ...one.eventMs])),
    limit: promisedMs,
    limitName: 'the promised',
    unit: ' ms',
  },
])}
`
}
