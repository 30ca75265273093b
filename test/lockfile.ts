import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * `npm ci` refuses a lock file that lacks a package which another lists as optional, though it be for another platform;
 * and `npm install` leaves out of the lock file what its registry does not have, which on a partial mirror is exactly
 * those. `node test/lockfile.ts` writes them back in: version and platform, without a checksum that nobody here knows.
 */

interface LockedPackage {
  readonly version?: string
  readonly license?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** What this project reads of package-lock.json: packages by their path. */
export interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

export const lockfilePath = join(import.meta.dirname, '../package-lock.json')

/** The packages of other platforms that the lock file should name and does not, as they would stand in it. */
export function missingPackages({ packages }: Lockfile): Readonly<Record<string, LockedPackage>> {
  const missing: Record<string, LockedPackage> = {}
  for (const [path, { optionalDependencies = {}, dev, license }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (packages[`node_modules/${name}`] || packages[`${path}/node_modules/${name}`]) continue
      const shared = { ...(dev ? { dev } : {}), ...(license ? { license } : {}) }
      missing[`node_modules/${name}`] = { version, ...shared, optional: true, ...platformOf(name) }
    }
  }
  return missing
}

/** `…/binding-linux-x64-musl` says for which machine it is. */
function platformOf(name: string): Pick<LockedPackage, 'os' | 'cpu' | 'libc'> {
  const [, os, cpu, abi = ''] =
    /[/-](android|darwin|freebsd|linux|openharmony|win32)-([a-z0-9]+)(?:-(\w+))?$/.exec(name) ?? []
  if (!os || !cpu) throw new Error(`package-lock.json lacks ${name}, whose name does not say what platform it is for`)
  const libc = abi.startsWith('musl') ? { libc: ['musl'] } : os === 'linux' && abi ? { libc: ['glibc'] } : {}
  return { os: [os], cpu: [cpu], ...libc }
}

if (import.meta.main) {
  const lockfile = JSON.parse(readFileSync(lockfilePath, 'utf8')) as Lockfile
  const packages = Object.entries({ ...lockfile.packages, ...missingPackages(lockfile) })
  const sorted = Object.fromEntries(packages.toSorted(([one], [other]) => one.localeCompare(other, 'en')))
  writeFileSync(lockfilePath, `${JSON.stringify({ ...lockfile, packages: sorted }, null, 2)}\n`)
}
