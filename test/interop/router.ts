import { type ChildProcess, execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { labEnvironment } from '../lab/namespace.ts'
import type { LabHost } from '../lab/node.ts'

/** What a router of any make is told about Berth, its one neighbour. */
export interface RouterSettings {
  readonly localAs: number
  readonly peerAs: number
  /** Its own address and Berth's, of the connection. */
  readonly local: string
  readonly remote: string
  /** Neighbours of the same kind besides; only FRR takes them. */
  readonly alsoRemotes?: readonly string[]
  readonly holdTimeSeconds: number
  readonly families: readonly ('IPv4' | 'IPv6')[]
  readonly password?: string
  /** Takes only packets of TTL 255, and sends such (RFC 5082). */
  readonly ttlSecurity?: boolean
  /** Takes IPv4 routes with an IPv6 next hop. */
  readonly extendedNextHop?: boolean
  /** `remote` is the interface at whose other end Berth is. */
  readonly unnumbered?: boolean
  /** There are routers between the two. */
  readonly multihop?: boolean
  /** Watches the neighbour by BFD; GoBGP knows none. */
  readonly bfd?: { readonly intervalMs: number; readonly multiplier: number }
  /** Waits to be dialled. */
  readonly passive?: boolean
  /** Keeps the neighbour's routes over its restart. */
  readonly gracefulRestart?: boolean
}

/** What routers announce of their own. */
export const routerRoutes = { IPv4: '198.51.100.0/24', IPv6: '2001:db8:51::/48' } as const

/** A route as the router knows it. */
export interface SeenRoute {
  readonly prefix: string
  readonly nextHop: string
  /** AS numbers, nearest first, with blanks between. */
  readonly asPath: string
  readonly localPref: number | undefined
  readonly multiExitDisc: number | undefined
  /** `64512:100`, `64512:1:2`; sorted. */
  readonly communities: readonly string[]
  readonly largeCommunities: readonly string[]
  /** As it prints them. */
  readonly extendedCommunities: readonly string[]
  /** Kept from a session that is gone. */
  readonly stale: boolean
}

/** One make of router, running in a network namespace. */
export interface Router {
  /** Whether the session with Berth stands, in its own opinion. */
  isEstablished(): Promise<boolean>
  /** The routes that it has from Berth. */
  routes(): Promise<readonly SeenRoute[]>
  /** Announces routes of its own, with much said of them; and withdraws them. */
  announce(): Promise<void>
  retract(): Promise<void>
  /** Asks Berth for all its routes again. */
  refresh(): Promise<void>
  /** Another key of TCP-MD5 from now on, as its operator would change it while it runs; GoBGP takes none then. */
  setPassword(password: string): Promise<void>
  /** Whether its BFD session with Berth is Up, where it was told to have one. */
  bfdIsUp(): Promise<boolean>
  /** What it says of the neighbour, for a test to look for words in. */
  neighbour(): Promise<string>
  /** Ends its processes as they end themselves, with a last word to Berth. */
  stop(): Promise<void>
  /** Ends its processes without one. */
  kill(): Promise<void>
  /** Its BGP process hangs, and goes on. */
  freeze(): void
  thaw(): void
}

export type StartRouter = (host: LabHost, settings: RouterSettings) => Promise<Router>

/** A make of router: what Debian calls it, and how to start one. */
export interface RouterMake {
  readonly name: 'FRR' | 'BIRD' | 'GoBGP'
  readonly package: string
  readonly start: StartRouter
}

/** Why this make cannot be had here; undefined where it can. Installs it where that is possible. */
export async function whyNotInstalled(
  make: Pick<RouterMake, 'package'> & { readonly name: string },
): Promise<string | undefined> {
  if (await isInstalled(make.package)) return undefined
  if (process.getuid?.() === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const wait = 'DPkg::Lock::Timeout=300'
    await promisify(execFile)('apt-get', ['-q', '-y', '-o', wait, 'install', '--no-install-recommends', make.package], {
      env,
    }).catch(() => undefined)
  }
  if (await isInstalled(make.package)) return undefined
  return `no ${make.name} here; as root: apt-get install --no-install-recommends ${make.package}`
}

async function isInstalled(name: string): Promise<boolean> {
  const { stdout } = await promisify(execFile)('dpkg-query', ['-W', '-f=${db:Status-Status}', name], {
    env: labEnvironment,
  }).catch(() => ({ stdout: '' }))
  return stdout === 'installed'
}

/** A folder for the router's files, and what it wrote in case something goes wrong. */
export interface Workplace {
  readonly folder: string
  write(name: string, text: string): Promise<string>
  spawn(host: LabHost, argv: readonly string[]): ChildProcess
  /** What all of it said so far. */
  said(): string
  remove(): Promise<void>
}

export async function makeWorkplace(name: string): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), `berth-${name}-`))
  let said = ''
  return {
    folder,
    async write(file, text) {
      const path = join(folder, file)
      await writeFile(path, text)
      return path
    },
    spawn(host, argv) {
      const child = host.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] })
      const listen = (chunk: unknown) => {
        said = (said + String(chunk)).slice(-20_000)
      }
      child.stdout?.on('data', listen)
      child.stderr?.on('data', listen)
      return child
    },
    said: () => said,
    remove: () => rm(folder, { recursive: true, force: true }),
  }
}
