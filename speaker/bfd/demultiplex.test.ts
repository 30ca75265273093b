import { describe, expect, test } from 'vitest'
import { ip } from '../../test/packets/values.ts'
import { type Addressee, type Arrival, doorOf, type Path, selectSession } from './demultiplex.ts'
import type { ControlPacket } from './packet.ts'

const path: Path = { remote: ip('192.0.2.2'), local: undefined, device: undefined, hops: 'single', minimumTtl: 255 }
const plain: Addressee = { path, localDiscriminator: 1 }
const onEth1: Addressee = { path: { ...path, device: 'eth1' }, localDiscriminator: 2 }
const far: Addressee = {
  path: { ...path, hops: 'multiple', local: ip('192.0.2.1'), minimumTtl: 250 },
  localDiscriminator: 3,
}
const v6: Addressee = { path: { ...path, remote: ip('::c000:202') }, localDiscriminator: 4 }
const all = [plain, onEth1, far, v6]
const addressees = {
  byDiscriminator: new Map(all.map(one => [one.localDiscriminator, one])),
  byRemote: new Map([[ip('192.0.2.2').value, all]]),
}

const arrival: Arrival = {
  door: { family: 'IPv4', hops: 'single', device: undefined },
  from: ip('192.0.2.2'),
  to: ip('192.0.2.1'),
  ttl: 255,
}
const multihop: Arrival = { ...arrival, door: { ...arrival.door, hops: 'multiple' }, ttl: 250 }
const byEth1: Arrival = { ...arrival, door: { ...arrival.door, device: 'eth1' } }

describe('whom a packet is for', () => {
  test.each([
    { name: 'nobody named', your: 0, arrival, found: 1 },
    { name: 'nobody named, by eth1', your: 0, arrival: byEth1, found: 2 },
    {
      name: 'nobody named, by eth2',
      your: 0,
      arrival: { ...byEth1, door: { ...byEth1.door, device: 'eth2' } },
      found: 1,
    },
    { name: 'nobody named, over several hops', your: 0, arrival: multihop, found: 3 },
    {
      name: 'nobody named, from the same number in IPv6',
      your: 0,
      arrival: { ...arrival, door: { ...arrival.door, family: 'IPv6' as const }, from: v6.path.remote },
      found: 4,
    },
    { name: 'a stranger', your: 0, arrival: { ...arrival, from: ip('192.0.2.3') }, found: 'unknownAddress' },
    {
      name: 'to another address of ours than the session’s',
      your: 0,
      arrival: { ...multihop, to: ip('192.0.2.9') },
      found: 'unknownAddress',
    },
    { name: 'a session of long ago', your: 77, arrival, found: 'unknownDiscriminator' },
    { name: 'the right name', your: 1, arrival, found: 1 },
    { name: 'the right name by a device that another session listens on', your: 1, arrival: byEth1, found: 1 },
    { name: 'the right name by the wrong device', your: 2, arrival, found: 'wrongPath' },
    {
      name: 'the right name from the wrong address',
      your: 1,
      arrival: { ...arrival, from: ip('192.0.2.3') },
      found: 'wrongPath',
    },
    { name: 'the right name at the wrong port', your: 1, arrival: multihop, found: 'wrongPath' },
    { name: 'from behind a router', your: 1, arrival: { ...arrival, ttl: 254 }, found: 'ttl' },
    { name: 'from a router too far away', your: 3, arrival: { ...multihop, ttl: 249 }, found: 'ttl' },
  ])('$name: $found', ({ your, arrival, found }) => {
    const packet = { yourDiscriminator: your } as ControlPacket
    const selected = selectSession(packet, arrival, addressees)
    expect(typeof selected === 'string' ? selected : selected.localDiscriminator).toBe(found)
  })

  test('a path’s door is of its family, kind and device', () => {
    expect(doorOf(onEth1.path)).toEqual({ family: 'IPv4', hops: 'single', device: 'eth1' })
    expect(doorOf(v6.path)).toEqual({ family: 'IPv6', hops: 'single', device: undefined })
  })
})
