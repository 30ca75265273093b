import type { LabHost } from '../lab/node.ts'
import { bird, startBird } from './bird.ts'
import { frr } from './frr.ts'
import { startFrr } from './frr-daemons.ts'
import type { RouterMake } from './router.ts'

/** A session that a router is told to have. */
export interface RouterBfdSession {
  readonly remote: string
  readonly local: string
  readonly multihop?: boolean
  readonly transmitIntervalMs: number
  readonly receiveIntervalMs: number
  readonly detectMultiplier: number
  readonly passive?: boolean
  /** BIRD only, by its own words. */
  readonly authentication?: { readonly kind: string; readonly password: string; readonly keyId: number }
}

/** A session as the router knows it. */
export interface SeenBfdSession {
  readonly isUp: boolean
  /** Why its state changed last, as it says; BIRD does not say. */
  readonly diagnostic: string | undefined
  readonly remoteDiagnostic: string | undefined
  /** What Berth has told it: milliseconds and a number. */
  readonly remoteTransmitIntervalMs: number | undefined
  readonly remoteReceiveIntervalMs: number | undefined
  readonly remoteDetectMultiplier: number | undefined
  /** How long it waits for Berth; FRR does not say. */
  readonly detectionTimeMs: number | undefined
}

/** One make of router and its BFD, running in a network namespace. */
export interface BfdRouter {
  seen(remote?: string): Promise<SeenBfdSession | undefined>
  /** Changes timers of all sessions while they run. */
  change(sessions: readonly RouterBfdSession[]): Promise<void>
  freeze(): void
  thaw(): void
  kill(): Promise<void>
}

export interface BfdRouterMake {
  readonly make: RouterMake
  readonly start: (host: LabHost, sessions: readonly RouterBfdSession[]) => Promise<BfdRouter>
}

export const frrBfd: BfdRouterMake = { make: frr, start: startFrrBfd }
export const birdBfd: BfdRouterMake = { make: bird, start: startBirdBfd }

async function startFrrBfd(host: LabHost, sessions: readonly RouterBfdSession[]): Promise<BfdRouter> {
  const running = await startFrr(host, ['bfdd'], frrConfiguration(sessions))
  return {
    async seen(remote = '192.0.2.1') {
      const peers = (await running.json('show bfd peers json')) as readonly FrrBfdPeer[]
      const peer = peers.find(one => one.peer === remote)
      return (
        peer && {
          isUp: peer.status === 'up',
          diagnostic: peer.diagnostic,
          remoteDiagnostic: peer['remote-diagnostic'],
          remoteTransmitIntervalMs: peer['remote-transmit-interval'],
          remoteReceiveIntervalMs: peer['remote-receive-interval'],
          remoteDetectMultiplier: peer['remote-detect-multiplier'],
          detectionTimeMs: undefined,
        }
      )
    },
    change: changed => running.configure(...frrConfiguration(changed)),
    freeze: () => void running.daemons.bfdd?.kill('SIGSTOP'),
    thaw: () => void running.daemons.bfdd?.kill('SIGCONT'),
    kill: () => running.end('SIGKILL'),
  }
}

interface FrrBfdPeer {
  readonly peer: string
  readonly status: string
  readonly diagnostic?: string
  readonly 'remote-diagnostic'?: string
  readonly 'remote-transmit-interval'?: number
  readonly 'remote-receive-interval'?: number
  readonly 'remote-detect-multiplier'?: number
}

function frrConfiguration(sessions: readonly RouterBfdSession[]): readonly string[] {
  return [
    'bfd',
    ...sessions.flatMap(session => [
      ` peer ${session.remote} ${session.multihop ? 'multihop ' : ''}local-address ${session.local}${session.multihop ? '' : ' interface eth0'}`,
      `  transmit-interval ${session.transmitIntervalMs}`,
      `  receive-interval ${session.receiveIntervalMs}`,
      `  detect-multiplier ${session.detectMultiplier}`,
      session.passive ? '  passive-mode' : '  no passive-mode',
      '  no shutdown',
      '  exit',
    ]),
    ' exit',
  ]
}

async function startBirdBfd(host: LabHost, sessions: readonly RouterBfdSession[]): Promise<BfdRouter> {
  const { ask, daemon, reconfigure, end } = await startBird(host, birdConfiguration(sessions))
  return {
    async seen(remote = '192.0.2.1') {
      const line = (await ask('show bfd sessions')).split('\n').find(one => one.split(/\s+/)[0] === remote)
      if (line === undefined) return undefined
      // IP address, interface, state, since, interval, timeout
      const words = line.trim().split(/\s+/)
      return {
        isUp: words[2] === 'Up',
        diagnostic: undefined,
        remoteDiagnostic: undefined,
        remoteTransmitIntervalMs: undefined,
        remoteReceiveIntervalMs: undefined,
        remoteDetectMultiplier: undefined,
        detectionTimeMs: Number(words.at(-1)) * 1000,
      }
    },
    change: changed => reconfigure(birdConfiguration(changed)),
    freeze: () => void daemon.kill('SIGSTOP'),
    thaw: () => void daemon.kill('SIGCONT'),
    kill: () => end('SIGKILL'),
  }
}

function birdConfiguration(sessions: readonly RouterBfdSession[]): readonly string[] {
  const [first] = sessions
  const timers = ({
    transmitIntervalMs,
    receiveIntervalMs,
    detectMultiplier,
    passive,
    authentication,
  }: RouterBfdSession) =>
    [
      `min tx interval ${transmitIntervalMs} ms; min rx interval ${receiveIntervalMs} ms;`,
      `multiplier ${detectMultiplier};${passive ? ' passive yes;' : ''}`,
      ...(authentication
        ? [
            `authentication ${authentication.kind};`,
            `password "${authentication.password}" { id ${authentication.keyId}; };`,
          ]
        : []),
    ].join(' ')
  return [
    'protocol bfd {',
    ...(first ? [` interface "eth0" { ${timers(first)} };`, ` multihop { ${timers(first)} };`] : []),
    ...sessions.map(({ remote, local, multihop }) =>
      multihop ? ` neighbor ${remote} local ${local} multihop yes;` : ` neighbor ${remote} dev "eth0" local ${local};`,
    ),
    '}',
  ]
}
