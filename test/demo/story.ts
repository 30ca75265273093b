import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { binary } from '../control-plane/binaries.ts'
import { berthNamespace, type Program, startController, startSpeaker } from '../lab/berth.ts'
import type { Endpoint } from '../lab/endpoints.ts'
import { type Lab, startLab } from '../lab/lab.ts'
import type { LabNode } from '../lab/node.ts'
import { forgetNeighbours, type Requests, startRequests, urlOf, whoHas } from '../lab/probe.ts'
import type { Narrator } from './narrator.ts'

export interface StoryOptions {
  readonly stay: boolean
  readonly kubeProxyMode: 'nftables' | 'iptables'
  readonly signal: AbortSignal
}

const root = join(import.meta.dirname, '../..')
const manifests = join(import.meta.dirname, 'manifests')
const patienceMs = 60_000

/** Everything that the steps share. */
interface Stage {
  readonly narrator: Narrator
  readonly signal: AbortSignal
  readonly lab: Lab
  /** Of Berth, by name. */
  readonly programs: Program[]
}

/** The whole demo; whatever it started has ended when it returns or throws. */
export async function tellStory(narrator: Narrator, options: StoryOptions): Promise<void> {
  const { signal } = options
  narrator.say('Berth: a Service of type LoadBalancer gets an address, and a client on the network reaches it.')
  narrator.say(
    'Everything here is real and lives in network namespaces; it ends with this program (Ctrl-C at any time).',
  )

  narrator.step('A cluster: Kubernetes’ own API server, three nodes with kube-proxy, and a client')
  const { kubeProxyMode } = options
  const lab = await startLab({ nodes: 3, kubeProxyMode, signal, progress: line => narrator.progress(line) })
  const stage: Stage = { narrator, signal, lab, programs: [] }
  const stopped = once(signal, 'abort').then(() => lab.stop())
  stopped.catch(() => {})
  try {
    await showCluster(stage)
    await startBerthPrograms(stage)
    await declareAddresses(stage)
    const endpoints = await createService(stage)
    const { ipv4, ipv6 } = await describeService(stage)
    await askSegment(stage, [ipv4, ipv6])
    await stopSpeaker(stage, ipv4)
    await losePower(stage, ipv4, endpoints)
    await showState(stage)
    if (options.stay) await stay(stage, ipv4)
    else await letGo(stage)
  } catch (error) {
    signal.throwIfAborted()
    throw await withLogs(error, stage)
  } finally {
    await lab.stop()
  }
  narrator.done('All of it has ended; nothing is left on this machine but the programs in the cache')
}

async function showCluster(stage: Stage): Promise<void> {
  const { narrator, lab } = stage
  await kubectl(stage, ['get', 'nodes', '-o', 'wide'])
  narrator.command('ip -brief address show dev eth0', 'client')
  narrator.output(await lab.client.namespace.run(['ip', '-brief', 'address', 'show', 'dev', lab.client.interface]))
  narrator.done('The cluster is up. It has no load balancer yet')
}

async function startBerthPrograms(stage: Stage): Promise<void> {
  const { narrator, lab, programs } = stage
  narrator.step('Berth: one controller, and a speaker on every node')
  await kubectl(stage, ['create', 'namespace', berthNamespace])
  const start = (program: Program, where?: string): void => {
    programs.push(program)
    narrator.command(program.commandLine.replaceAll(/\/\S+\//g, '…/'), where)
  }
  start(await startController(lab))
  for (const node of lab.nodes) start(await startSpeaker(lab, node), node.name)
  const leases = ['-n', berthNamespace, 'get', 'leases']
  await until(stage, 'the speakers hold their Leases', async () => {
    const names = await lab.controlPlane.kubectl([...leases, '-o', 'name'])
    return lab.nodes.every(node => names.includes(node.name))
  })
  narrator.say()
  narrator.say('Each speaker holds one Lease, whatever the number of Services: so they know of each other.')
  await kubectl(stage, leases)
  narrator.done('Berth runs')
}

async function declareAddresses(stage: Stage): Promise<void> {
  const { narrator } = stage
  narrator.step('An admin declares what may be handed out, and that it is announced')
  await apply(stage, 'pool.yaml')
  await until(stage, 'the pool is ready', async () => {
    const condition = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    const args = ['-n', berthNamespace, 'get', 'ipaddresspool', 'public', '-o', condition]
    return (await stage.lab.controlPlane.kubectl(args)) === 'True'
  })
  await kubectl(stage, ['-n', berthNamespace, 'get', 'ipaddresspools'])
  narrator.done('The pool is ready')
}

async function createService(stage: Stage): Promise<Endpoint[]> {
  const { narrator, lab } = stage
  narrator.step('An app team asks for an address, by the type of its Service')
  await apply(stage, 'web.yaml')
  await until(stage, 'the Service has its addresses', async () => (await ingressOf(stage)).length === 2)
  await kubectl(stage, ['get', 'service', 'web'])
  const endpoints: Endpoint[] = []
  for (const node of lab.nodes) endpoints.push(await lab.deployEndpoint('default/web', node, 8080))
  narrator.say()
  narrator.say('In place of pods, a web server starts on each node. It says on which one it runs.')
  await kubectl(stage, ['get', 'endpointslices'])
  narrator.done('The Service has an address of each family')
  return endpoints
}

async function describeService(stage: Stage): Promise<{ ipv4: string; ipv6: string }> {
  const { narrator, lab } = stage
  narrator.step('The Service tells what happened to it')
  const describe = ['describe', 'service', 'web']
  // Events never hold up the work: they come a moment later.
  await until(stage, 'a speaker has said that it announces', async () => {
    const { length } = (await announcers(stage)).filter(node => node !== '')
    return length > 0 && !(await lab.controlPlane.kubectl(describe)).includes('Events:                   <none>')
  })
  await delay(500, undefined, { signal: stage.signal })
  await kubectl(stage, describe)
  const addresses = await ingressOf(stage)
  narrator.done('Why it has these addresses, from which pool, and who announces them: it is all there')
  return {
    ipv4: addresses.find(address => !address.includes(':')) ?? '',
    ipv6: addresses.find(address => address.includes(':')) ?? '',
  }
}

async function askSegment(stage: Stage, addresses: readonly string[]): Promise<void> {
  const { narrator, lab } = stage
  narrator.step('A client on the same network asks who has the address, and gets an answer')
  for (const address of addresses) {
    await until(stage, `somebody answers for ${address}`, async () => (await whoHas(lab.client, address)).length > 0)
    await forgetNeighbours(lab.client)
    const argv = address.includes(':')
      ? ['ndisc6', address, lab.client.interface]
      : ['arping', '-c', '1', '-I', lab.client.interface, address]
    await onClient(stage, argv)
    const node = await nodeThatHas(stage, address)
    narrator.say(`That link-layer address is ${node?.name ?? 'nobody'}’s.`)
    for (let request = 0; request < 3; request++) await onClient(stage, ['curl', '-s', urlOf(address)])
  }
  narrator.done('One node answers for the address, and kube-proxy takes the connection to any of the pods')
}

async function stopSpeaker(stage: Stage, address: string): Promise<void> {
  const { narrator, lab, programs } = stage
  const owner = await ownerOf(stage, address)
  narrator.step('A speaker is upgraded: it hands its addresses over before it leaves')
  const requests = startRequests(lab.client, urlOf(address), { everyMs: 20, timeoutMs: 5000 })
  await inTime(stage, 'the requests are answered', requests.answered(25))
  const speaker = programs.find(({ name }) => name === `speaker on ${owner.name}`)
  if (speaker === undefined) throw new Error(`${owner.name} has no speaker.`)
  narrator.say('The client sends 50 requests a second while the speaker stops.')
  narrator.command(`kill -TERM ${speaker.pid}`, owner.name)
  await inTime(stage, `the speaker on ${owner.name} ends`, speaker.stop())
  await until(stage, 'another node has taken over', async () => {
    const [mac] = await whoHas(lab.client, address)
    return mac !== undefined && mac !== owner.mac
  })
  await inTime(stage, 'the requests are answered', requests.answered(25))
  const { sent, answered, slowestMs } = await requests.stop()
  narrator.say(`${(await ownerOf(stage, address)).name} answers for ${address} now.`)
  narrator.say(`Requests sent: ${sent}. Lost: ${sent - answered}. The slowest took ${Math.round(slowestMs)} ms.`)
  const again = await startSpeaker(lab, owner)
  programs.splice(programs.indexOf(speaker), 1, again)
  narrator.done('Handed over. The speaker is started again, and takes nothing back: nobody has to wait twice')
}

async function losePower(stage: Stage, address: string, endpoints: readonly Endpoint[]): Promise<void> {
  const { narrator, lab, programs } = stage
  const owner = await ownerOf(stage, address)
  narrator.step(`${owner.name}, which announces the address, loses power`)
  const requests = startRequests(lab.client, urlOf(address), { everyMs: 20, timeoutMs: 500 })
  await inTime(stage, 'the requests are answered', requests.answered(25))
  const cutMs = performance.now()
  const gone = programs.findIndex(({ name }) => name === `speaker on ${owner.name}`)
  programs.splice(gone, 1)
  await owner.powerOff()
  narrator.say('Both cables dead and all its processes gone, without a word to anybody.')
  narrator.say('Its pod is taken out of the EndpointSlices at once, which Kubernetes would do some 40 s later.')
  await endpoints.find(({ node }) => node === owner)?.setReady(false)
  const waited = (): string => `the client waits … ${((performance.now() - cutMs) / 1000).toFixed(1)} s`
  await narrator.meanwhile(inTime(stage, 'another node takes over', untilAnswered(requests)), waited)
  const { longestSilenceMs } = await requests.stop()
  narrator.say(`The client got no answer for ${(longestSilenceMs / 1000).toFixed(1)} s.`)
  await onClient(stage, ['arping', '-c', '1', '-I', lab.client.interface, address])
  narrator.done(`${(await ownerOf(stage, address)).name} has taken over`)
}

async function untilAnswered(requests: Requests): Promise<void> {
  await requests.answered(25)
}

async function showState(stage: Stage): Promise<void> {
  stage.narrator.step('What an admin sees')
  await kubectl(stage, ['get', 'ipaddresspools', '--all-namespaces'])
  await kubectl(stage, ['get', 'servicel2statuses', '--all-namespaces'])
  await kubectl(stage, [
    'get',
    'events',
    '--field-selector=involvedObject.kind=Service',
    '--sort-by=.metadata.creationTimestamp',
  ])
}

async function letGo(stage: Stage): Promise<void> {
  const { narrator } = stage
  narrator.step('The Service is deleted, and its addresses are free again')
  await kubectl(stage, ['delete', 'service', 'web'])
  const free = ['-n', berthNamespace, 'get', 'ipaddresspools']
  await until(stage, 'the addresses are free', async () => {
    const condition = ['-o', 'jsonpath={.items[0].status.assignedIPv4}{.items[0].status.assignedIPv6}']
    return (await stage.lab.controlPlane.kubectl([...free, ...condition])) === '00'
  })
  await kubectl(stage, free)
}

async function stay(stage: Stage, address: string): Promise<void> {
  const { narrator, lab, signal } = stage
  narrator.step('It keeps running; look around from a second terminal')
  narrator.command(`export KUBECONFIG=${await lab.controlPlane.kubeconfig()}`)
  narrator.command(`export PATH=${dirname(await binary('kubectl'))}:$PATH`)
  narrator.command('kubectl explain ipaddresspool.spec')
  narrator.command(`${lab.client.namespace.enterCommand.join(' ')} curl ${urlOf(address)}`)
  narrator.say()
  narrator.say(`The logs are in ${lab.directory}. Ctrl-C ends it all.`)
  await once(signal, 'abort')
}

/** Runs kubectl, and shows the command and what it printed. */
async function kubectl(stage: Stage, args: readonly string[]): Promise<void> {
  stage.signal.throwIfAborted()
  stage.narrator.command(['kubectl', ...args].join(' '))
  stage.narrator.output(await stage.lab.controlPlane.kubectl(args))
}

async function apply(stage: Stage, manifest: string): Promise<void> {
  const path = join(manifests, manifest)
  const shown = relative(root, path)
  stage.narrator.command(`cat ${shown}`)
  stage.narrator.output(await readFile(path, 'utf8'))
  stage.narrator.command(`kubectl apply -f ${shown}`)
  stage.narrator.output(await stage.lab.controlPlane.kubectl(['apply', '-f', path]))
}

async function onClient(stage: Stage, argv: readonly string[]): Promise<void> {
  stage.signal.throwIfAborted()
  stage.narrator.command(argv.join(' '), 'client')
  const { stdout, stderr } = await stage.lab.client.exec(argv, { timeoutMs: 10_000 })
  stage.narrator.output(stdout + stderr)
}

async function ingressOf(stage: Stage): Promise<string[]> {
  const jsonpath = 'jsonpath={.status.loadBalancer.ingress[*].ip}'
  const text = await stage.lab.controlPlane.kubectl(['get', 'service', 'web', '-o', jsonpath])
  return text.split(' ').filter(address => address !== '')
}

async function announcers(stage: Stage): Promise<string[]> {
  const args = ['get', 'servicel2statuses', '--all-namespaces', '-o', 'jsonpath={.items[*].status.node}']
  return (await stage.lab.controlPlane.kubectl(args)).split(' ')
}

async function nodeThatHas(stage: Stage, address: string): Promise<LabNode | undefined> {
  const [mac] = await whoHas(stage.lab.client, address)
  return stage.lab.nodes.find(node => node.mac === mac)
}

async function ownerOf(stage: Stage, address: string): Promise<LabNode> {
  const node = await nodeThatHas(stage, address)
  if (node === undefined) throw new Error(`No node answers for ${address}.`)
  return node
}

/** Waits for a condition; fails, with what was waited for, when it takes too long or a program has ended. */
async function until(stage: Stage, what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`Waited ${patienceMs / 1000} s in vain until ${what}.`)
    const ended = stage.programs.find(({ running }) => !running)
    if (ended !== undefined) throw new Error(`The ${ended.name} has ended; the demo was waiting until ${what}.`)
    await delay(50, undefined, { signal: stage.signal })
  }
}

async function inTime<T>(stage: Stage, what: string, promise: Promise<T>): Promise<T> {
  const giveUp = new AbortController()
  const late = delay(patienceMs, undefined, { signal: AbortSignal.any([giveUp.signal, stage.signal]) }).then(() => {
    throw new Error(`Waited ${patienceMs / 1000} s in vain until ${what}.`)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    giveUp.abort()
    late.catch(() => {})
  }
}

/** The error, with the last words of the programs that have ended, or of all: what a person needs to see what is wrong. */
async function withLogs(error: unknown, { programs }: Stage): Promise<Error> {
  const ended = programs.filter(({ running }) => !running)
  const parts = [error instanceof Error ? error.message : String(error)]
  for (const program of ended.length > 0 ? ended.slice(0, 1) : programs) {
    parts.push('', `The last lines of the ${program.name}:`, await program.logTail(10))
  }
  return new Error(parts.join('\n'), { cause: error })
}
