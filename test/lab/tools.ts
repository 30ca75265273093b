import { access, constants } from 'node:fs/promises'
import { join } from 'node:path'
import { installPackages } from '../run/packages.ts'
import { createWorld, labEnvironment } from './namespace.ts'

/** The programs that a lab or its probes run, by the Debian package that has them. */
const packages: Readonly<Record<string, readonly string[]>> = {
  iproute2: ['ip', 'bridge'],
  'util-linux': ['nsenter', 'setpriv', 'unshare'],
  nftables: ['nft'],
  iptables: ['iptables', 'ip6tables'],
  'iputils-arping': ['arping'],
  ndisc6: ['ndisc6'],
  tcpdump: ['tcpdump'],
  curl: ['curl'],
}

let answer: Promise<string | undefined> | undefined

/** Why no lab can be had on this machine, and what to do about it; undefined where it can. Asked once per process. */
export async function whyNoLab(progress?: (line: string) => void): Promise<string | undefined> {
  answer ??= findObstacle(progress)
  return await answer
}

async function findObstacle(progress: ((line: string) => void) | undefined): Promise<string | undefined> {
  if (process.platform !== 'linux') return `network namespaces are a thing of Linux; this is ${process.platform}`
  let missing = await missingPackages()
  if (missing.length > 0 && process.getuid?.() === 0) {
    await installPackages(line => progress?.(line))
    missing = await missingPackages()
  }
  if (missing.length > 0) {
    return `programs are missing; as root: apt-get install --no-install-recommends ${missing.join(' ')}`
  }
  return await whyNoNamespaces()
}

async function missingPackages(): Promise<string[]> {
  const missing: string[] = []
  for (const [name, programs] of Object.entries(packages)) {
    const found = await Promise.all(programs.map(isOnPath))
    if (found.includes(false)) missing.push(name)
  }
  return missing
}

async function isOnPath(program: string): Promise<boolean> {
  for (const folder of (labEnvironment['PATH'] ?? '').split(':')) {
    const found = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    )
    if (found) return true
  }
  return false
}

async function whyNoNamespaces(): Promise<string | undefined> {
  try {
    const world = await createWorld()
    try {
      await world.createNamespace()
      return undefined
    } finally {
      await world.end()
    }
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    if (process.getuid?.() === 0) return `this root may not make network namespaces (CAP_SYS_ADMIN is needed): ${said}`
    return (
      `without root a lab lives in a user namespace, which cannot be had here: ${said}. ` +
      'Run it as root, or allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, ' +
      'kernel.apparmor_restrict_unprivileged_userns)'
    )
  }
}
