import { counted } from '../words.ts'
import type { Conversion } from './convert.ts'
import { heldSelectors, isHeld, type PeerNodes } from './peer-nodes.ts'
import type { Progress } from './progress.ts'
import { metallbLabel, type Workload } from './source.ts'

/*
 * How a cluster moves with every address staying what and where it is, and back. docs/migration.md says why in this order;
 * here are the commands, with the names that things have in this cluster, and what is done already.
 */

/** One thing to do. */
export interface Step {
  readonly title: string
  readonly done: boolean
  /** As one types them. */
  readonly commands: readonly string[]
  /** How far it is, or what to wait for. */
  readonly note: string
}

/** A class that no Service has: a controller that is told to serve it leaves all of them alone. */
export const idleClass = 'berth.dev/idle'

/** What commands need to know. */
export interface StepOptions {
  /** Berth's own namespace. */
  readonly namespace: string
}

/** From MetalLB to Berth. */
export function stepsToBerth(conversion: Conversion, progress: Progress, { namespace }: StepOptions): readonly Step[] {
  const { installation, objects } = conversion
  const written = progress.objects.missing.length === 0
  const gone = installation.speaker === undefined || installation.speaker.scheduled === 0
  const byLayer2 = objects.some(({ kind }) => kind === 'L2Advertisement') || progress.layer2.wanted > 0
  return [
    install(conversion, progress, namespace),
    {
      title: "Mark the nodes that are MetalLB's",
      done: installation.speaker?.nodeSelector[metallbLabel] !== undefined || gone,
      commands: installation.speaker ? hold(installation.speaker) : [],
      note: 'Nothing happens yet: the label keeps its speakers where they are.',
    },
    {
      title: "Write Berth's objects",
      done: written,
      commands: [`kubectl berth migrate from-metallb --apply${namespaceFlag(namespace)}`],
      note:
        "Each of Berth's speakers begins with the addresses that MetalLB announces from the same node. " +
        `Wait until all are announced: ${progress.layer2.announced} of ${counted(progress.layer2.wanted, 'Service')} at layer 2.`,
    },
    takeServices(conversion, progress, namespace),
    ...(byLayer2 ? [leaveLayer2(conversion, written)] : []),
    letSpeakersGo(conversion, progress, written && gone),
    {
      title: 'When all is well, take out MetalLB as it was put in',
      done: false,
      commands: [],
      note: 'Until then the way back is open: kubectl berth migrate to-metallb.',
    },
  ]
}

function install({ installation }: Conversion, progress: Progress, namespace: string): Step {
  const { speakers, nodes, controller } = progress
  const helm = helmWith(progress, namespace)
  // Not on every node runs a speaker: MetalLB's tell on how many.
  const expected = installation.speaker?.scheduled || nodes.length
  const installed = controller.alive && speakers.length >= expected
  return {
    title: 'Install Berth, told to leave every Service alone',
    done: installed || isServing(progress),
    commands: [helm('upgrade --install', '--create-namespace', `--set loadBalancerClass=${idleClass}`)],
    note: `Wait until a speaker lives on every node: ${speakers.length} of ${expected}.`,
  }
}

function takeServices({ installation }: Conversion, progress: Progress, namespace: string): Step {
  const { services, adopted } = progress
  const helm = helmWith(progress, namespace)
  const theirs = installation.controller
  const stopped = theirs === undefined || theirs.replicas === 0
  return {
    title: "Stop MetalLB's controller, and let Berth's take the Services",
    done: stopped && isServing(progress) && adopted >= services,
    commands: [
      ...(theirs ? [scale(theirs, 0)] : []),
      helm('upgrade', '--reuse-values', `--set loadBalancerClass=${theirs?.loadBalancerClass ?? ''}`),
    ],
    note: `Wait until all are taken over: ${adopted} of ${counted(services, 'Service')}. New ones wait meanwhile.`,
  }
}

function letSpeakersGo({ objects }: Conversion, { nodes, sessions }: Progress, done: boolean): Step {
  const byBGP = objects.some(({ kind }) => kind === 'BGPPeer')
  return {
    title: `Let MetalLB's speakers go${byBGP ? ', node by node' : ''}`,
    done,
    commands: byBGP
      ? nodes.map(node => `kubectl label node ${node} ${metallbLabel}-`)
      : [`kubectl label nodes --all ${metallbLabel}-`],
    note: byBGP
      ? `By BGP a node has one session with a router: it is MetalLB's until its speaker there is gone. Wait after each node until kubectl berth peers shows its sessions Established: ${sessions.established} of ${sessions.wanted} now.`
      : 'They have nothing left to do.',
  }
}

/** Whether Berth's controller takes Services. */
function isServing({ controller }: Progress): boolean {
  return controller.alive && controller.loadBalancerClass !== idleClass
}

/** From Berth back to MetalLB, as long as MetalLB's objects are there. */
export function stepsToMetalLB(
  conversion: Conversion,
  progress: Progress,
  { namespace }: StepOptions,
): readonly Step[] {
  const { controller } = conversion.installation
  const helm = helmWith(progress, namespace)
  const isMetalLBs = conversion.objects.some(({ kind }) => kind === 'L2Advertisement')
  const byLayer2 = isMetalLBs || progress.layer2.wanted > 0
  return [
    {
      title: "Stop Berth's controller from assigning, and let MetalLB's take the Services",
      done: !isServing(progress) && (controller?.replicas ?? 0) > 0,
      commands: [
        helm('upgrade', '--reuse-values', `--set loadBalancerClass=${idleClass}`),
        ...(controller ? [scale(controller, 1)] : []),
      ],
      note: 'The addresses stand in the Services, and MetalLB takes them from there.',
    },
    ...letSpeakersComeBack(conversion, progress),
    ...(byLayer2 ? [giveLayer2Back(progress, isMetalLBs)] : []),
    {
      title: 'Take Berth out',
      done: progress.speakers.length === 0,
      commands: [
        ...(byLayer2 ? [`kubectl --namespace ${namespace} delete l2advertisements.berth.dev --all`] : []),
        `helm uninstall ${progress.controller.release} --namespace ${namespace}`,
      ],
      note: 'Pools and the rest stay, should you come again. docs/install.md says what else does.',
    },
  ]
}

/** With layer 2 alone the label starts them; with BGP they are started first, and the label lets them have the sessions. */
function letSpeakersComeBack({ installation, peers, objects }: Conversion, progress: Progress): readonly Step[] {
  const { speaker } = installation
  const title = "Let MetalLB's speakers come back"
  if (!speaker || peers.length === 0) {
    // Peers of a ConfigMap cannot be told by a patch where to wait.
    const byBGP = objects.some(({ kind }) => kind === 'BGPPeer')
    const label = `${metallbLabel}=true`
    return [
      {
        title: `${title}${byBGP ? ', node by node' : ''}`,
        done: speaker !== undefined && speaker.scheduled > 0,
        commands: byBGP
          ? progress.nodes.map(node => `kubectl label node ${node} --overwrite ${label}`)
          : [`kubectl label nodes --all --overwrite ${label}`],
        note: byBGP
          ? "With the label Berth gives a node's sessions up, and MetalLB's speaker comes. Wait after each node until its router has the session."
          : 'They have nothing to do yet.',
      },
    ]
  }
  const { nodes, nodesOfMetalLB } = progress
  const hasStarted = speaker.nodeSelector[metallbLabel] === undefined && speaker.scheduled > 0
  return [
    {
      title: `${title}, without sessions for now`,
      done: peers.every(isHeld) && hasStarted,
      commands: [...peers.map(peer => holdBack(installation.namespace, peer)), startEverywhere(speaker)],
      note: `The peers first: then a speaker that starts has no node to open a session on. Wait until all are ready: kubectl --namespace ${speaker.namespace} get daemonset ${speaker.name}.`,
    },
    {
      title: 'Give it the sessions, node by node',
      done: hasStarted && nodes.every(node => nodesOfMetalLB.includes(node)),
      commands: nodes.flatMap(node => handOver(node)),
      note: `By the first command Berth gives a node's sessions up, by the second MetalLB asks for them. Wait after each node until its router has them: ${nodesOfMetalLB.length} of ${counted(nodes.length, 'node')}.`,
    },
  ]
}

/** The peer has sessions on the nodes that are MetalLB's, and there are none yet. */
function holdBack(namespace: string, peer: PeerNodes): string {
  const patch = { spec: { nodeSelectors: heldSelectors(peer) } }
  return `kubectl --namespace ${namespace} patch bgppeers.metallb.io ${peer.name} --type merge --patch '${JSON.stringify(patch)}'`
}

function startEverywhere({ namespace, name }: Workload): string {
  const patch = { spec: { template: { spec: { nodeSelector: { [metallbLabel]: null } } } } }
  return `kubectl --namespace ${namespace} patch daemonset ${name} --patch '${JSON.stringify(patch)}'`
}

/** Any value makes Berth leave, and one makes MetalLB come: who came too early would be refused, and wait before trying again. */
function handOver(node: string): readonly string[] {
  const label = `kubectl label node ${node} --overwrite ${metallbLabel}`
  return [`${label}=next`, `${label}=true`]
}

function giveLayer2Back({ layer2 }: Progress, isMetalLBs: boolean): Step {
  return {
    title: 'Give layer 2 back to MetalLB',
    done: isMetalLBs && layer2.byMetalLB >= layer2.wanted,
    commands: [`kubectl create -f ${savedAs}`],
    note: `The file is from the way here. Wait until MetalLB announces: ${layer2.byMetalLB} of ${counted(layer2.wanted, 'Service')}.`,
  }
}

/** Where MetalLB's L2Advertisements are kept for the way back. */
const savedAs = 'metallb-l2advertisements.yaml'

/**
 * MetalLB stops answering when nothing tells it to, without a word on the segment. Were its speakers only to leave, those that are
 * left would elect each other, and say so to everybody.
 */
function leaveLayer2({ installation, objects }: Conversion, written: boolean): Step {
  const { namespace } = installation
  const kubectl = `kubectl --namespace ${namespace}`
  return {
    title: 'Take layer 2 from MetalLB',
    done: written && !objects.some(({ kind }) => kind === 'L2Advertisement'),
    commands: [
      `${kubectl} get l2advertisements.metallb.io --output yaml > ${savedAs}`,
      `${kubectl} delete l2advertisements.metallb.io --all`,
    ],
    note: 'Nobody notices: Berth answers already, from the same hardware addresses. Keep the file for the way back.',
  }
}

function helmWith({ controller }: Progress, namespace: string): (verb: string, ...flags: readonly string[]) => string {
  return (verb, ...flags) =>
    `helm ${verb} ${controller.release} charts/berth --namespace ${namespace} ${flags.join(' ')}`
}

function namespaceFlag(namespace: string): string {
  return namespace === 'berth-system' ? '' : ` --namespace ${namespace}`
}

function scale({ namespace, name }: Workload, replicas: number): string {
  return `kubectl --namespace ${namespace} scale deployment ${name} --replicas=${replicas}`
}

/** Nodes are left one by one by taking the label off; no pod is restarted for the new template. */
function hold({ namespace, name }: Workload): readonly string[] {
  const template = { spec: { nodeSelector: { [metallbLabel]: 'true' } } }
  const patch = { spec: { updateStrategy: { type: 'OnDelete', rollingUpdate: null }, template } }
  return [
    `kubectl label nodes --all --overwrite ${metallbLabel}=true`,
    `kubectl --namespace ${namespace} patch daemonset ${name} --patch '${JSON.stringify(patch)}'`,
  ]
}
