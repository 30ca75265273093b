import { berthNamespace, startSpeaker } from '../lab/berth.ts'
import type { Endpoint } from '../lab/endpoints.ts'
import type { LabNode } from '../lab/node.ts'
import { type Requests, type RequestsReport, startRequests, urlOf } from '../lab/probe.ts'
import { type LabRouter, startLabRouter, whyNoRouter } from '../lab/router.ts'
import type { Narrator } from './narrator.ts'
import { apply, inTime, kubectl, onHost, onStage, type Stage, type StoryOptions, until } from './stage.ts'
import { createService, describeService, letGo, poolIsReady, startBerthPrograms, stay } from './steps.ts'

interface BgpStage extends Stage {
  readonly router: LabRouter
}

/** The demo of BGP; whatever it started has ended when it returns or throws. */
export async function tellBgpStory(narrator: Narrator, options: StoryOptions): Promise<void> {
  const obstacle = await whyNoRouter(line => narrator.progress(line))
  if (obstacle !== undefined) throw new Error(`No lab with a router on this machine: ${obstacle}.`)
  narrator.say('Berth: a Service of type LoadBalancer gets an address, and every node tells the router the way to it.')
  narrator.say(
    'Everything here is real and lives in network namespaces; it ends with this program (Ctrl-C at any time).',
  )
  narrator.step('A cluster of three nodes, a router before it, and a client behind the router')
  await onStage(narrator, options, async plain => {
    const stage: BgpStage = {
      ...plain,
      router: await startLabRouter(plain.lab, { bfd: { intervalMs: 50, detectMultiplier: 3 } }),
    }
    await showNetwork(stage)
    await startBerthPrograms(stage)
    await declareSessions(stage)
    const endpoints = await createService(stage, 'web-local.yaml')
    const { ipv4, ipv6 } = await describeService(stage, async () => await isAnnounced(stage, stage.lab.nodes))
    await askRouter(stage, [ipv4, ipv6])
    await stopSpeaker(stage, ipv4)
    const lost = await losePower(stage, ipv4, endpoints)
    await comeBack(stage, ipv4, lost)
    await showState(stage)
    if (options.stay) await stayHere(stage, ipv4)
    else await letGo(stage)
  })
}

const picture = `remote-client ─── router ─┬─ node-1
198.18.0.10        FRR    ├─ node-2
                          └─ node-3`

async function showNetwork(stage: BgpStage): Promise<void> {
  const { narrator, router } = stage
  await kubectl(stage, ['get', 'nodes', '-o', 'wide'])
  narrator.say()
  narrator.output(picture)
  await onHost(stage, router.host, ['ip', '-brief', 'address', 'show'])
  narrator.say()
  narrator.say('The router is FRRouting. This is how it was told of the nodes; nothing in it is about Services.')
  const running = await router.show('show running-config')
  narrator.command('show running-config', 'router')
  narrator.output(running.slice(running.indexOf('router bgp')))
  narrator.done('The network is up. The router has no session yet, and knows no way to any Service')
}

async function declareSessions(stage: BgpStage): Promise<void> {
  const { narrator, router, lab } = stage
  narrator.step('An admin declares what may be handed out, and to which router it is announced')
  await apply(stage, 'bgp.yaml')
  await poolIsReady(stage)
  narrator.say()
  narrator.say('Every speaker opens a session with the router. BFD watches it: a sign of life each 50 ms, both ways.')
  await until(stage, 'every node has a session with the router', async () => {
    const [sessions, bfd] = [await router.sessions(), await router.bfdSessions()]
    return lab.nodes.every(({ name }) => sessions[name] === 'Established' && bfd[name] === 'up')
  })
  await until(stage, 'the speakers have written what their sessions are like', async () => {
    const states = 'jsonpath={.items[*].status.state} {.items[*].status.bfdState}'
    const words = (await lab.controlPlane.kubectl([...sessionStatuses, '-o', states])).split(' ')
    return words.filter(word => word === 'Established' || word === 'Up').length === 2 * lab.nodes.length
  })
  await kubectl(stage, sessionStatuses)
  await vtysh(stage, 'show bgp ipv4 unicast summary')
  narrator.done('The sessions stand, as both sides see it')
}

const sessionStatuses = ['-n', berthNamespace, 'get', 'bgpsessionstatuses'] as const

async function askRouter(stage: BgpStage, addresses: readonly string[]): Promise<void> {
  const { narrator, router, lab } = stage
  narrator.step('The router has a way to the Service over every node, and spreads requests over all of them')
  narrator.say('Each speaker writes down to whom it announces the Service:')
  await kubectl(stage, ['get', 'servicebgpstatuses', '--all-namespaces'])
  await showCondition(stage)
  for (const address of addresses) {
    await until(stage, `the router leads to ${address}`, async () => {
      return Object.keys(await router.nextHops(address)).length === lab.nodes.length
    })
    await onHost(stage, router.host, ['ip', ...(address.includes(':') ? ['-6'] : []), 'route', 'show', address])
    for (let request = 0; request < 3; request++) await onHost(stage, router.client, ['curl', '-s', urlOf(address)])
    const requests = startRequests(router.client, urlOf(address), { everyMs: 5 })
    await inTime(stage, 'the requests are answered', requests.answered(300))
    const { answered, nodes } = await requests.stop()
    narrator.say()
    narrator.say(`${answered} more requests: ${sharesOf(nodes)}.`)
  }
  narrator.done('One address, the bandwidth of three nodes; and the Pods see who asks')
}

/** Once it names every node. */
async function showCondition(stage: BgpStage): Promise<void> {
  const path = 'jsonpath={.status.conditions[?(@.type=="berth.dev/Announced")].message}'
  const get = ['get', 'service', 'web', '-o']
  let message = ''
  await until(stage, 'the Service’s condition names every node', async () => {
    message = await stage.lab.controlPlane.kubectl([...get, path])
    return stage.lab.nodes.every(({ name }) => message.includes(name))
  })
  stage.narrator.command(`kubectl ${get.join(' ')} '${path}'`)
  stage.narrator.output(message)
}

function sharesOf(nodes: RequestsReport['nodes']): string {
  const names = Object.keys(nodes).sort()
  return names.map(name => `${name} answered ${nodes[name]}`).join(', ')
}

/** A number, and what went wrong where it is not 0. */
function lossesOf({ sent, answered, problems }: RequestsReport): string {
  const reasons = Object.entries(problems).map(([problem, count]) => `${count} × ${problem}`)
  return `${sent - answered}${reasons.length === 0 ? '' : ` (${reasons.join(', ')})`}`
}

async function stopSpeaker(stage: BgpStage, address: string): Promise<void> {
  const { narrator, router, lab, programs } = stage
  narrator.step('A speaker is upgraded: it asks the router to use the others first, and then leaves')
  const [node] = lab.nodes
  const at = programs.findIndex(({ name }) => name === `speaker on ${node?.name}`)
  const speaker = programs[at]
  if (node === undefined || speaker === undefined) throw new Error('There is no speaker to stop.')
  const requests = await startAsking(stage, address, 5000)
  narrator.say('The client sends 100 requests a second while the speaker stops.')
  narrator.command(`kill -TERM ${speaker.pid}`, node.name)
  await inTime(stage, `the speaker on ${node.name} ends`, speaker.stop())
  await leadsOver(stage, address, lab.nodes.length - 1)
  await onHost(stage, router.host, ['ip', 'route', 'show', address])
  programs.splice(at, 1, await startSpeaker(lab, node))
  await leadsOver(stage, address, lab.nodes.length)
  await inTime(stage, 'the requests are answered', requests.answered(100))
  const report = await requests.stop()
  narrator.say()
  narrator.say(
    `Requests sent: ${report.sent}. Lost: ${lossesOf(report)}. The slowest took ${Math.round(report.slowestMs)} ms.`,
  )
  if (report.askedAgain > 0) {
    narrator.say(
      `${report.askedAgain} had to be made twice: their connections were open when the router chose other nodes for them.`,
    )
  }
  narrator.done('Gone and back again, with every request answered')
}

async function losePower(stage: BgpStage, address: string, endpoints: readonly Endpoint[]): Promise<LabNode> {
  const { narrator, router, lab, programs } = stage
  const [, node] = lab.nodes
  if (node === undefined) throw new Error('There is no second node.')
  narrator.step(`${node.name} loses power`)
  const requests = await startAsking(stage, address, 500)
  programs.splice(
    programs.findIndex(({ name }) => name === `speaker on ${node.name}`),
    1,
  )
  await node.powerOff()
  narrator.say('Both cables dead and all its processes gone, without a word to anybody.')
  await leadsOver(stage, address, lab.nodes.length - 1)
  await inTime(stage, 'the requests are answered', requests.answered(100))
  const { sent, answered, lossMs } = await requests.stop()
  await onHost(stage, router.host, ['ip', 'route', 'show', address])
  narrator.say()
  narrator.say(
    `Requests sent: ${sent}. Lost: ${sent - answered}, which the router had sent to ${node.name}, ` +
      `all within ${Math.round(lossMs)} ms. The others were answered.`,
  )
  await endpoints.find(endpoint => endpoint.node === node)?.setReady(false)
  narrator.done('BFD has told the router, and the router goes past the node')
  return node
}

async function comeBack(stage: BgpStage, address: string, node: LabNode): Promise<void> {
  const { narrator, router, lab, programs } = stage
  narrator.step(`${node.name} comes back`)
  const requests = await startAsking(stage, address, 5000)
  await node.powerOn()
  programs.push(await startSpeaker(lab, node))
  await until(stage, `${node.name} has a session again`, async () => {
    return (await router.sessions())[node.name] === 'Established'
  })
  narrator.say('It has a session with the router again, and announces nothing yet: it has no Pod of this Service.')
  await onHost(stage, router.host, ['ip', 'route', 'show', address])
  narrator.say()
  narrator.say('A Pod starts on it.')
  await lab.deployEndpoint('default/web', node, 8080)
  await leadsOver(stage, address, lab.nodes.length)
  await onHost(stage, router.host, ['ip', 'route', 'show', address])
  await inTime(stage, 'the requests are answered', requests.answered(100))
  const report = await requests.stop()
  narrator.say()
  narrator.say(`Requests sent meanwhile: ${report.sent}. Lost: ${lossesOf(report)}. ${sharesOf(report.nodes)}.`)
  narrator.done('All three carry the Service again')
}

async function showState(stage: BgpStage): Promise<void> {
  stage.narrator.step('What an admin sees')
  await kubectl(stage, ['-n', berthNamespace, 'get', 'bgppeers'])
  await kubectl(stage, [...sessionStatuses, '-o', 'wide'])
  const sorted = ['--sort-by=.metadata.creationTimestamp']
  await kubectl(stage, ['get', 'events', '--field-selector=involvedObject.kind=Service', ...sorted])
  await kubectl(stage, ['-n', berthNamespace, 'get', 'events', ...sorted])
}

async function stayHere(stage: BgpStage, address: string): Promise<void> {
  const { narrator, router } = stage
  narrator.say()
  narrator.say('The router’s kernel, to look at its routes:')
  narrator.command(`${router.host.namespace.enterCommand.join(' ')} ip route`)
  await stay(stage, router.client, address)
}

/** The client asks every 10 ms, and once more where its connection is reset; resolves when it is answered. */
async function startAsking(stage: BgpStage, address: string, timeoutMs: number): Promise<Requests> {
  const requests = startRequests(stage.router.client, urlOf(address), { everyMs: 10, timeoutMs, askAgain: true })
  await inTime(stage, 'the requests are answered', requests.answered(100))
  return requests
}

async function leadsOver(stage: BgpStage, address: string, nodes: number): Promise<void> {
  await until(stage, `the router leads to ${address} over ${nodes} nodes`, async () => {
    return Object.keys(await stage.router.nextHops(address)).length === nodes
  })
}

async function isAnnounced(stage: BgpStage, nodes: readonly LabNode[]): Promise<boolean> {
  const args = ['get', 'servicebgpstatuses', '--all-namespaces', '-o', 'jsonpath={.items[*].status.node}']
  const told = (await stage.lab.controlPlane.kubectl(args)).split(' ')
  return nodes.every(({ name }) => told.includes(name))
}

/** Asks the router at its own command line. */
async function vtysh(stage: BgpStage, command: string): Promise<void> {
  stage.narrator.command(command, 'router')
  stage.narrator.output(await stage.router.show(command))
}
