import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { kill } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'
import { makeWorkplace } from './router.ts'
import { until } from './until.ts'

/** What of FRR runs beside zebra. */
export type FrrDaemon = 'bgpd' | 'bfdd'

/** FRR's daemons on a host, with one configuration for all of them, asked and changed by vtysh. */
export interface Frr {
  /** What vtysh answers to these commands, one after the other; empty where it has no answer. */
  readonly ask: (...commands: readonly string[]) => Promise<string>
  /** The answer as it was meant for programs; an empty object where there is none. */
  readonly json: (command: string) => Promise<unknown>
  /** Lines of configuration; fails where FRR does not take them. */
  configure(...lines: readonly string[]): Promise<void>
  readonly daemons: Readonly<Record<FrrDaemon, ChildProcess | undefined>>
  /** What the daemons wrote, in case something goes wrong. */
  said(): string
  /** Ends all of them, zebra last and without a word. */
  end(signal: NodeJS.Signals): Promise<void>
}

const capabilities = '-all,+net_admin,+net_raw,+sys_admin,+net_bind_service'

/**
 * The daemons give root up for a user of their own. They are started as that user, with what it may do besides: the kernel forgets that
 * a process is to die with us (namespace.ts) when it becomes another user.
 */
const asItsUser: readonly string[] = [
  'setpriv',
  '--reuid=frr',
  '--regid=frr',
  '--init-groups',
  `--inh-caps=${capabilities}`,
  `--ambient-caps=${capabilities}`,
  '--pdeathsig=KILL',
  '--',
]

/** A router has its processors to itself; here it must not miss a heartbeat of BFD because the tests' other programs are busy. */
const inRealTime: readonly string[] = ['chrt', '--rr', '1']

/** What each answers once it has read its configuration. */
const signOfLife: Readonly<Record<FrrDaemon, { readonly command: string; readonly answer: RegExp }>> = {
  bgpd: { command: 'show bgp summary', answer: /router identifier|No BGP neighbors/ },
  bfdd: { command: 'show bfd peers json', answer: /^\s*\[/ },
}

/** Starts zebra and these daemons, and waits until each answers. */
export async function startFrr(host: LabHost, names: readonly FrrDaemon[], config: readonly string[]): Promise<Frr> {
  const place = await makeWorkplace('frr')
  const file = await place.write('frr.conf', `${['frr defaults traditional', ...config].join('\n')}\n`)
  await place.write('vtysh.conf', '')
  await host.namespace.run(['chown', '-R', 'frr:frr', place.folder])
  const common = ['-z', `${place.folder}/zserv.api`, '--vty_socket', place.folder, '--log', 'stdout', '-f', file]
  const { code } = await host.exec([...inRealTime, 'true'])
  const spawn = (name: string, ...more: readonly string[]): ChildProcess => {
    const pace = name === 'bfdd' && code === 0 ? inRealTime : []
    const program = [`/usr/lib/frr/${name}`, ...common, '-i', `${place.folder}/${name}.pid`, ...more]
    return place.spawn(host, [...pace, ...asItsUser, ...program])
  }
  const started = async <Answer>(what: string, ask: () => Promise<Answer>, accept: (answer: Answer) => boolean) =>
    await until(what, ask, accept, 30_000).catch(error => {
      throw new Error(`${String(error)}\n${place.said()}`)
    })
  const zebra = spawn('zebra')
  // The others try zebra once, and then again after ten seconds.
  const listens = async (): Promise<boolean> => existsSync(`${place.folder}/zserv.api`)
  await started('zebra listens', listens, Boolean)
  const ownControl = ['--bfdctl', `${place.folder}/bfdd.sock`]
  const start = (name: FrrDaemon): ChildProcess | undefined =>
    names.includes(name) ? spawn(name, ...ownControl.filter(() => name === 'bfdd')) : undefined
  const daemons = { bfdd: start('bfdd'), bgpd: start('bgpd') }
  const vtysh = ['vtysh', '--vty_socket', place.folder, '--config_dir', place.folder]
  const ask = async (...commands: readonly string[]): Promise<string> =>
    (await host.exec([...vtysh, ...commands.flatMap(command => ['-c', command])])).stdout
  for (const name of names) {
    const { command, answer } = signOfLife[name]
    const asked = async (): Promise<string> => await ask(command)
    await started(`${name} answers`, asked, text => answer.test(text))
  }
  return {
    ask,
    async json(command) {
      try {
        return JSON.parse(await ask(command))
      } catch {
        return {}
      }
    },
    async configure(...lines) {
      await host.namespace.run([...vtysh, ...['configure terminal', ...lines].flatMap(line => ['-c', line])])
    },
    daemons,
    said: () => place.said(),
    async end(signal) {
      for (const daemon of Object.values(daemons)) if (daemon) await kill(daemon, signal)
      await kill(zebra)
      await place.remove()
    },
  }
}
