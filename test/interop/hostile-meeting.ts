import { pino } from 'pino'
import { expect, onTestFinished } from 'vitest'
import type { PeerTerms } from '../../speaker/bgp/negotiate.ts'
import type { PeerSettings } from '../../speaker/bgp/settings.ts'
import { type Bgp, createBgp } from '../../speaker/bgp/speaker.ts'
import { address, peer } from './berth.ts'
import { type HostileConnection, listenForBerth } from './hostile-peer.ts'
import { until } from './until.ts'

/** Both sides speak four-octet AS numbers. */
export const context = { fourOctetAs: true }
/** Where the router is. */
export const loopback = { address: address('127.0.0.1') }
/** Said of every route: an address of loopback leads nowhere. */
export const nextHops = { IPv4: address('192.0.2.1'), IPv6: address('2001:db8::1') }

/** Berth and the router that it has dialled. */
export interface Meeting {
  readonly bgp: Bgp
  readonly connection: HostileConnection
  /** The connection after this one. */
  readonly next: () => Promise<HostileConnection>
  /** Connections so far. */
  readonly accepted: () => number
  readonly settings: PeerSettings
}

/** Berth dials the router of this test; both end with it. */
export async function meet(more: Partial<PeerSettings> = {}): Promise<Meeting> {
  const listener = await listenForBerth()
  onTestFinished(() => listener[Symbol.asyncDispose]())
  const bgp = start()
  const settings = peer({ remote: loopback, port: listener.port, nextHops, ...more })
  bgp.configure([settings], new Map([['router', []]]))
  const connection = await listener.next()
  return { bgp, connection, settings, next: listener.next, accepted: () => listener.accepted }
}

/** Berth's sessions, without any yet; they end with the test. */
export function start(listenPort?: number): Bgp {
  const bgp = createBgp({ log: pino({ level: 'silent' }), ...(listenPort !== undefined && { listenPort }) })
  onTestFinished(() => bgp.stop({ kind: 'shutdown', communication: '' }))
  return bgp
}

/** The same with the session established, to which the router has said these terms of its own. */
export async function met(more: Partial<PeerSettings> = {}, router: Partial<PeerTerms> = {}): Promise<Meeting> {
  const meeting = await meet(more)
  await meeting.connection.establish(router)
  return meeting
}

/** Code, subcode and data of Berth's NOTIFICATION, after which it must close. */
export async function answer(connection: HostileConnection): Promise<string> {
  const { notification: said } = await connection.receiveKind('notification')
  expect(await connection.receive()).toBeUndefined()
  return `${said.code}/${said.subcode} ${Buffer.from(said.data).toString('hex')}`.trim()
}

/** Of the only peer, or the first. */
export function status(bgp: Bgp) {
  const [only] = bgp.state()
  if (!only) throw new Error('no peer')
  return only
}

/** Waits until the only session is established. */
export async function stands(bgp: Bgp): Promise<void> {
  await until(
    'the session stands',
    async () => status(bgp).state,
    state => state === 'Established',
  )
}

/** A message of this type around a body, whatever that is. */
export function message(type: number, body: Uint8Array): Uint8Array {
  const length = 19 + body.length
  return Uint8Array.from([...Array.from({ length: 16 }, () => 0xff), length >> 8, length & 0xff, type, ...body])
}
