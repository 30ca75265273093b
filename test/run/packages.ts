import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** What the network tests, those in a browser and the addon's compiler need of Debian, by name. */
const packages = [
  'iproute2',
  'nftables',
  'iptables',
  'conntrack',
  'iputils-arping',
  'ndisc6',
  'tcpdump',
  'netcat-openbsd',
  'curl',
  'chromium',
  'frr',
  'bird2',
  'gobgpd',
  'gcc',
  'libc6-dev',
  'libseccomp2',
]

/** Installs what is missing where it can (root, apt-get); elsewhere says what to install. Never fails: tests will tell. */
export async function installPackages(say: (line: string) => void): Promise<void> {
  if (!(await succeeds('apt-get', ['--version'])) || !(await succeeds('dpkg-query', ['--version']))) {
    return say(`no apt-get here; the network tests want what Debian calls ${packages.join(' ')}`)
  }
  const missing: string[] = []
  for (const name of packages) if (!(await isInstalled(name))) missing.push(name)
  if (missing.length === 0) return say(`all there: ${packages.join(' ')}`)
  if (process.getuid?.() !== 0) {
    return say(
      `missing, and only root can install them: sudo apt-get install --no-install-recommends ${missing.join(' ')}`,
    )
  }
  say(`apt-get update, then ${missing.join(' ')}`)
  if (!(await succeeds('apt-get', ['-q', 'update'])))
    say('apt-get update failed; going on with the lists that are here')
  for (const name of missing) {
    // One by one: a package that cannot be had must not take the others with it.
    const installed = await succeeds('apt-get', ['-q', '-y', 'install', '--no-install-recommends', name])
    say(installed ? `installed ${name}` : `could not install ${name}: see \`apt-get install ${name}\``)
  }
}

async function isInstalled(name: string): Promise<boolean> {
  return (await output('dpkg-query', ['-W', '-f=${db:Status-Status}', name])) === 'installed'
}

async function succeeds(command: string, flags: readonly string[]): Promise<boolean> {
  return (await output(command, flags)) !== undefined
}

/** What the command printed, or undefined when it failed or is not there. */
async function output(command: string, flags: readonly string[]): Promise<string | undefined> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  return promisify(execFile)(command, flags, { env }).then(
    ({ stdout }) => stdout,
    () => undefined,
  )
}
