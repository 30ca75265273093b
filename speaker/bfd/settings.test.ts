import { describe, expect, test } from 'vitest'
import { ip } from '../../test/packets/values.ts'
import type { BfdSessionSettings } from './messages.ts'
import { identityOf, pathKey, pathOf, sessionOf, settingsProblem } from './settings.ts'

const settings: BfdSessionSettings = {
  name: 'router',
  remote: '192.0.2.2',
  local: undefined,
  device: undefined,
  hops: 'single',
  minimumTtl: 254,
  transmitIntervalMs: 300,
  receiveIntervalMs: 200,
  detectMultiplier: 3,
  passiveMode: false,
  authentication: undefined,
}
const keyed = (secret: number, keyId = 1): BfdSessionSettings['authentication'] => ({
  kind: 'keyedMd5',
  keys: [{ keyId, secret: new Uint8Array(secret) }],
})

describe('settings that cannot be had', () => {
  test.each<[string, Partial<BfdSessionSettings>]>([
    ['remote "router" is not an address', { remote: 'router' }],
    ['local "192.0.2" is not an address', { local: '192.0.2' }],
    ['2001:db8::1 cannot talk to 192.0.2.2', { local: '2001:db8::1' }],
    ['the link-local address fe80::2 needs a device', { remote: 'fe80::2' }],
    ['transmitIntervalMs 9 is not between 10 and 60000', { transmitIntervalMs: 9 }],
    ['receiveIntervalMs 60001 is not between 10 and 60000', { receiveIntervalMs: 60_001 }],
    ['receiveIntervalMs 10.5 is not between 10 and 60000', { receiveIntervalMs: 10.5 }],
    ['detectMultiplier 0 is not between 1 and 255', { detectMultiplier: 0 }],
    ['minimumTtl 256 is not between 1 and 255', { minimumTtl: 256 }],
    ['number of keys 0 is not between 1 and 256', { authentication: { kind: 'keyedSha1', keys: [] } }],
    ['key id 256 is not between 0 and 255', { authentication: keyed(16, 256) }],
    ['length of a key 0 is not between 1 and 16', { authentication: keyed(0) }],
    ['length of a key 17 is not between 1 and 16', { authentication: keyed(17) }],
  ])('%s', (problem, more) => {
    expect(settingsProblem({ ...settings, ...more })).toBe(problem)
  })

  test.each<Partial<BfdSessionSettings>>([
    {},
    { remote: 'fe80::2', device: 'eth0' },
    { remote: '2001:db8::2', local: '2001:db8::1', hops: 'multiple', minimumTtl: 1 },
    { transmitIntervalMs: 10, receiveIntervalMs: 60_000, detectMultiplier: 255 },
    { authentication: keyed(16) },
  ])('OK, %j', more => {
    expect(settingsProblem({ ...settings, ...more })).toBeUndefined()
  })
})

test('what a session is to the machine', () => {
  expect(sessionOf({ ...settings, passiveMode: true }, 7)).toEqual({
    localDiscriminator: 7,
    role: 'passive',
    desiredMinTxInterval: 300_000,
    requiredMinRxInterval: 200_000,
    detectMult: 3,
    sequence: 'none',
  })
  expect(sessionOf({ ...settings, authentication: keyed(1) }, 7)).toMatchObject({ role: 'active', sequence: 'keyed' })
  const careful: BfdSessionSettings['authentication'] = { kind: 'meticulousKeyedSha1', keys: [] }
  expect(sessionOf({ ...settings, authentication: careful }, 7).sequence).toBe('meticulous')
})

test('over one hop nothing but a TTL of 255 will do, whatever the settings say', () => {
  expect(pathOf(settings)).toMatchObject({ remote: ip('192.0.2.2'), minimumTtl: 255 })
  expect(pathOf({ ...settings, hops: 'multiple' }).minimumTtl).toBe(254)
})

test('timers and keys leave a session what it is; a path or a role make it another', () => {
  const same: Partial<BfdSessionSettings>[] = [
    { transmitIntervalMs: 50, detectMultiplier: 5 },
    { authentication: keyed(3) },
  ]
  const others: Partial<BfdSessionSettings>[] = [
    { remote: '192.0.2.3' },
    { local: '192.0.2.1' },
    { device: 'eth0' },
    { hops: 'multiple' },
    { passiveMode: true },
  ]
  for (const more of same) expect(identityOf({ ...settings, ...more })).toBe(identityOf(settings))
  expect(new Set([settings, ...others.map(more => ({ ...settings, ...more }))].map(identityOf)).size).toBe(6)
  expect(pathKey({ ...settings, passiveMode: true, remote: '192.0.2.2' })).toBe(pathKey(settings))
})
