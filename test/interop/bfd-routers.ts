import { existsSync } from 'node:fs'
import { kill } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { bird } from './bird.ts'
import { frr } from './frr.ts'
import { makeWorkplace, type RouterMake } from './router.ts'
import { until } from './until.ts'

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

export const frrBfd: BfdRouterMake = { make: frr, start: startFrr }
export const birdBfd: BfdRouterMake = { make: bird, start: startBird }

async function startFrr(host: LabHost, sessions: readonly RouterBfdSession[]): Promise<BfdRouter> {
  const place = await makeWorkplace('frr-bfd')
  const config = await place.write('frr.conf', ['frr defaults traditional', ...frrConfiguration(sessions)].join('\n'))
  await place.write('vtysh.conf', '')
  await host.namespace.run(['chown', '-R', 'frr:frr', place.folder])
  const common = ['-z', `${place.folder}/zserv.api`, '--vty_socket', place.folder, '--log', 'stdout', '-f', config]
  const spawn = (name: string, ...more: readonly string[]) =>
    place.spawn(host, [`/usr/lib/frr/${name}`, ...common, '-i', `${place.folder}/${name}.pid`, ...more])
  const zebra = spawn('zebra')
  // bfdd tries zebra once, and then again after ten seconds.
  await until(
    'zebra listens',
    async () => existsSync(`${place.folder}/zserv.api`),
    exists => exists,
    30_000,
  )
  const bfdd = spawn('bfdd', '--bfdctl', `${place.folder}/bfdd.sock`)
  const vtysh = ['vtysh', '--vty_socket', place.folder, '--config_dir', place.folder]
  const ask = async (...commands: string[]): Promise<string> =>
    (await host.exec([...vtysh, ...commands.flatMap(command => ['-c', command])])).stdout
  await until(
    'bfdd answers',
    () => ask('show bfd peers json'),
    text => text.trim().startsWith('['),
    30_000,
  ).catch(error => {
    throw new Error(`${String(error)}\n${place.said()}`)
  })
  return {
    async seen(remote = '192.0.2.1') {
      const peers = JSON.parse(await ask('show bfd peers json')) as readonly FrrBfdPeer[]
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
    async change(changed) {
      await ask('configure terminal', ...frrConfiguration(changed))
    },
    freeze: () => void bfdd.kill('SIGSTOP'),
    thaw: () => void bfdd.kill('SIGCONT'),
    async kill() {
      await kill(bfdd)
      await kill(zebra)
      await place.remove()
    },
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

async function startBird(host: LabHost, sessions: readonly RouterBfdSession[]): Promise<BfdRouter> {
  const place = await makeWorkplace('bird-bfd')
  const config = await place.write('bird.conf', birdConfiguration(sessions))
  const socket = `${place.folder}/ctl`
  const daemon = place.spawn(host, ['bird', '-f', '-c', config, '-s', socket])
  const ask = async (command: string): Promise<string> => (await host.exec(['birdc', '-s', socket, command])).stdout
  await until(
    'bird answers',
    () => ask('show status'),
    text => text.includes('Daemon is up'),
  ).catch(error => {
    throw new Error(`${String(error)}\n${place.said()}`)
  })
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
    async change(changed) {
      await place.write('bird.conf', birdConfiguration(changed))
      await ask('configure')
    },
    freeze: () => void daemon.kill('SIGSTOP'),
    thaw: () => void daemon.kill('SIGCONT'),
    async kill() {
      await kill(daemon)
      await place.remove()
    },
  }
}

function birdConfiguration(sessions: readonly RouterBfdSession[]): string {
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
    'router id 192.0.2.2;',
    'log stderr all;',
    'protocol device {}',
    'protocol bfd {',
    ...(first ? [` interface "eth0" { ${timers(first)} };`, ` multihop { ${timers(first)} };`] : []),
    ...sessions.map(({ remote, local, multihop }) =>
      multihop ? ` neighbor ${remote} local ${local} multihop yes;` : ` neighbor ${remote} dev "eth0" local ${local};`,
    ),
    '}',
    '',
  ].join('\n')
}
