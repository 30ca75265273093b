import { type Address, formatAddress, parseAddress } from '../../net/address.ts'
import type { Path } from './demultiplex.ts'
import type { BfdSessionSettings } from './messages.ts'
import { digestKinds } from './packet.ts'
import type { Session } from './session-state.ts'

/** The least interval that is offered: nothing that runs beside other programs keeps a faster pace. */
export const leastIntervalMs = 10

/** Why a session cannot be as it is wanted; undefined where it can. */
export function settingsProblem(settings: BfdSessionSettings): string | undefined {
  const { remote, local, device, authentication } = settings
  const remoteAddress = parseAddress(remote)
  if (!remoteAddress) return `remote "${remote}" is not an address`
  const localAddress = local === undefined ? undefined : parseAddress(local)
  if (local !== undefined && !localAddress) return `local "${local}" is not an address`
  if (localAddress && localAddress.family !== remoteAddress.family) return `${local} cannot talk to ${remote}`
  if (isLinkLocal(remoteAddress) && device === undefined) return `the link-local address ${remote} needs a device`
  const range = (name: string, value: number, least: number, most: number): string | undefined =>
    Number.isInteger(value) && value >= least && value <= most
      ? undefined
      : `${name} ${value} is not between ${least} and ${most}`
  const longest = authentication ? digestKinds[authentication.kind].size : 0
  return [
    range('transmitIntervalMs', settings.transmitIntervalMs, leastIntervalMs, 60_000),
    range('receiveIntervalMs', settings.receiveIntervalMs, leastIntervalMs, 60_000),
    range('detectMultiplier', settings.detectMultiplier, 1, 255),
    range('minimumTtl', settings.minimumTtl, 1, 255),
    authentication && range('number of keys', authentication.keys.length, 1, 256),
    ...(authentication?.keys ?? []).flatMap(({ keyId, secret }) => [
      range('key id', keyId, 0, 255),
      range('length of a key', secret.length, 1, longest),
    ]),
  ].find(problem => problem !== undefined)
}

/** fe80::/10. Those of IPv4 are told apart by the routing table. */
function isLinkLocal({ family, value }: Address): boolean {
  return family === 'IPv6' && value >> 118n === 0x3fan
}

/** Where the session's packets go and come from; the settings must be without problems. */
export function pathOf(settings: BfdSessionSettings): Path {
  const remote = parseAddress(settings.remote)
  if (!remote) throw new RangeError(`not an address: ${settings.remote}`)
  return {
    remote,
    local: settings.local === undefined ? undefined : parseAddress(settings.local),
    device: settings.device,
    hops: settings.hops,
    minimumTtl: settings.hops === 'single' ? 255 : settings.minimumTtl,
  }
}

/** Between which systems and by which way: the remote system has one session for all that is equal in this. */
export function pathKey(settings: BfdSessionSettings): string {
  const { remote, local, device, hops } = pathOf(settings)
  return JSON.stringify([hops, formatAddress(remote), local && formatAddress(local), device])
}

/** The part of the settings that makes it this session: with another path or role it is another session. */
export function identityOf(settings: BfdSessionSettings): string {
  return `${pathKey(settings)} ${settings.passiveMode}`
}

/** What the machine needs of the settings. */
export function sessionOf(settings: BfdSessionSettings, localDiscriminator: number): Session {
  const { authentication } = settings
  return {
    localDiscriminator,
    role: settings.passiveMode ? 'passive' : 'active',
    desiredMinTxInterval: settings.transmitIntervalMs * 1000,
    requiredMinRxInterval: settings.receiveIntervalMs * 1000,
    detectMult: settings.detectMultiplier,
    sequence: !authentication ? 'none' : authentication.kind.startsWith('meticulous') ? 'meticulous' : 'keyed',
  }
}
