/** What went into an image, by what is known of it: no files are read here. */

/** The little of package-lock.json (lockfileVersion 3) that is looked at. */
export interface LockFile {
  readonly version: string
  readonly packages: Readonly<Record<string, LockedPackage>>
}

export interface LockedPackage {
  readonly version?: string
  readonly license?: string
  readonly integrity?: string
}

/** A package of npm whose code is in the bundles. */
export interface BundledPackage {
  readonly name: string
  readonly version: string
  /** As its author declares it; undefined where that is silent. */
  readonly license: string | undefined
  /** Subresource Integrity of the package as npm publishes it. */
  readonly integrity: string | undefined
  /** Where it lies, from the root of the project. */
  readonly path: string
}

/** The packages that the bundler's inputs come from, sorted; `inputs` are paths from the root of the project. */
export function bundledPackages(inputs: readonly string[], lock: LockFile): readonly BundledPackage[] {
  const paths = new Set(inputs.flatMap(input => packagePath(input) ?? []))
  const found = Array.from(paths, path => {
    const { version, license, integrity } = lock.packages[path] ?? {}
    if (!version) throw new Error(`${path} went into the bundles and is not in package-lock.json: run npm ci`)
    return { name: path.slice(path.lastIndexOf(folder) + folder.length), version, license, integrity, path }
  })
  const key = ({ name, version }: BundledPackage): string => `${name}@${version}`
  // The same version may lie in several folders.
  const unique = new Map(found.map(one => [key(one), one]))
  return [...unique.values()].toSorted((one, other) => (key(one) < key(other) ? -1 : 1))
}

const folder = 'node_modules/'

/** `node_modules/a/node_modules/@b/c` of `node_modules/a/node_modules/@b/c/lib/d.js`. */
function packagePath(input: string): string | undefined {
  const at = input.lastIndexOf(folder)
  if (at < 0) return undefined
  const inside = input.slice(at + folder.length).split('/')
  const names = inside.slice(0, inside[0]?.startsWith('@') ? 2 : 1)
  return input.slice(0, at + folder.length) + names.join('/')
}
