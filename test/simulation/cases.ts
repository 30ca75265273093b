import { type Cluster, type ClusterOptions, createCluster } from './cluster.ts'
import type { Fault, ScheduledFault } from './faults.ts'
import { play } from './simulate.ts'

/** A cluster and what goes wrong in it, written down: each was found by a seed and was a mistake of ours once. */
export interface Case {
  readonly name: string
  readonly cluster: ClusterOptions
  readonly faults: readonly ScheduledFault[]
}

const at = (atMs: number, lastsMs: number, fault: Fault): ScheduledFault => ({ atMs, lastsMs, fault })
const both = ['nodes', 'segment'] as const

export const cases: readonly Case[] = [
  {
    name: 'a node that stops while the API server is away is taken over from: it says farewell itself',
    cluster: { seed: 12, nodes: 5, addresses: 10, apiApart: true },
    faults: [at(7_840, 21_827, { kind: 'apiAway' }), at(7_971, 276, { kind: 'leave', node: 'n04' })],
  },
  {
    name: 'a speaker that started anew and is no member yet is no heir, though its Lease of before still lives',
    cluster: { seed: 12, nodes: 5, addresses: 10, apiApart: true },
    faults: [
      at(6_515, 855, { kind: 'powerCut', node: 'n01' }),
      at(7_840, 21_827, { kind: 'apiAway' }),
      at(7_971, 276, { kind: 'leave', node: 'n04' }),
    ],
  },
  {
    name: 'a cable that is pulled while the API server is away is told of by the node itself',
    cluster: { seed: 804, nodes: 3, addresses: 13, apiApart: true },
    faults: [
      at(3_510, 15_770, { kind: 'apiAway' }),
      at(5_838, 9_080, { kind: 'unplug', node: 'n02' }),
      at(6_835, 23_715, { kind: 'loss', loss: 0.006, delayMs: 12.6 }),
    ],
  },
  {
    name: 'a restarted owner begins with what it has, though the spread says that it should move to a frozen node',
    cluster: { seed: 2341, nodes: 3, addresses: 14, apiApart: false },
    faults: [
      at(5_602, 21_034, { kind: 'pause', node: 'n01' }),
      at(6_040, 3_984, { kind: 'tear', cables: both, nodes: ['n02'] }),
      at(16_713, 75, { kind: 'restart', node: 'n03' }),
      at(17_580, 2_158, { kind: 'tear', cables: both, nodes: ['n02', 'n03'] }),
      at(18_231, 12_876, { kind: 'apiAway' }),
      at(19_183, 573, { kind: 'apiCut', node: 'n02' }),
    ],
  },
  {
    name: 'two that were torn apart and both have everything do not hand it to each other for the spread',
    cluster: { seed: 2585, nodes: 2, addresses: 6, apiApart: false },
    faults: [
      at(4_936, 23_212, { kind: 'tear', cables: both, nodes: ['n02'] }),
      at(7_619, 607, { kind: 'freeze', node: 'n02' }),
      at(12_498, 6_241, { kind: 'tear', cables: both, nodes: ['n01'] }),
    ],
  },
  {
    name: 'halves that meet again away from the API server come to one answerer, whatever each has read',
    cluster: { seed: 2581, nodes: 7, addresses: 18, apiApart: false },
    faults: [
      at(3_577, 19_660, { kind: 'tear', cables: both, nodes: ['n02', 'n07', 'n01', 'n06'] }),
      at(24_370, 24_766, { kind: 'tear', cables: both, nodes: ['n04', 'n05', 'n03', 'n07', 'n06'] }),
    ],
  },
  {
    name: 'a frozen node that missed that another is able again does not believe the contrary for ever',
    cluster: { seed: 3241, nodes: 3, addresses: 18, apiApart: false },
    faults: [
      at(4_457, 12_583, { kind: 'unplug', node: 'n01' }),
      at(4_787, 17_616, { kind: 'freeze', node: 'n02' }),
      at(12_335, 198, { kind: 'apiSlow', delayMs: 342 }),
    ],
  },
  {
    name: 'a node that is stopping while the API server is away does not keep the others waiting for it',
    cluster: { seed: 3495, nodes: 5, addresses: 16, apiApart: true },
    faults: [
      at(3_601, 12_999, { kind: 'exclude', node: 'n04' }),
      at(15_716, 14_409, { kind: 'apiAway' }),
      at(22_344, 21_932, { kind: 'leave', node: 'n01' }),
      at(24_185, 7_721, { kind: 'powerCut', node: 'n05' }),
    ],
  },
  {
    name: 'halves that meet again, one of which took the other for over, ask the segment without being told',
    cluster: { seed: 1812, nodes: 5, addresses: 13, apiApart: false },
    faults: [
      at(3_484, 105, { kind: 'apiAway' }),
      at(33_065, 24_240, { kind: 'tear', cables: both, nodes: ['n04', 'n02', 'n03'] }),
      at(33_473, 1_931, { kind: 'apiAway' }),
      at(34_344, 2_044, { kind: 'apiCut', node: 'n05' }),
      at(46_928, 9_613, { kind: 'pause', node: 'n03' }),
      at(51_983, 21_481, { kind: 'apiAway' }),
    ],
  },
  {
    name: 'two sides that both reach the API server take nothing from each other for the spread',
    cluster: { seed: 1, nodes: 5, addresses: 20, apiApart: true },
    faults: [at(3_000, 60_000, { kind: 'tear', cables: both, nodes: ['n01', 'n02'] })],
  },
  {
    name: 'a side whose Leases are over claims nothing before they are there again',
    cluster: { seed: 344, nodes: 3, addresses: 5, apiApart: false },
    faults: [
      at(3_626, 24_491, { kind: 'loss', loss: 0.026, delayMs: 8.5 }),
      at(5_649, 12_585, { kind: 'tear', cables: both, nodes: ['n01', 'n02'] }),
    ],
  },
  {
    name: 'nor does it claim what it took over itself from one that is gone',
    cluster: { seed: 1025, nodes: 4, addresses: 14, apiApart: false },
    faults: [
      at(5_524, 1_987, { kind: 'apiAway' }),
      at(6_415, 9_749, { kind: 'freeze', node: 'n03' }),
      at(9_776, 3_642, { kind: 'powerCut', node: 'n04' }),
      at(17_784, 4_229, { kind: 'apiSlow', delayMs: 487.7 }),
      at(18_455, 22_581, { kind: 'tear', cables: both, nodes: ['n04', 'n02', 'n03'] }),
      at(19_369, 11_402, { kind: 'pause', node: 'n04' }),
    ],
  },
  {
    name: 'a node whose cable is back at once gets its addresses back without a break',
    cluster: { seed: 45, nodes: 7, addresses: 6, apiApart: false },
    faults: [at(4_534, 216, { kind: 'unplug', node: 'n03' })],
  },
  {
    name: 'a node that begins anew in a torn network makes neither side the larger one',
    cluster: { seed: 10_461, nodes: 12, addresses: 17, apiApart: true },
    faults: [
      at(5_668, 13_652, { kind: 'tear', cables: both, nodes: ['n10', 'n02', 'n05', 'n08', 'n06', 'n09'] }),
      at(8_342, 3_901, { kind: 'apiSlow', delayMs: 577.6 }),
      at(8_833, 2_280, { kind: 'powerCut', node: 'n06' }),
    ],
  },
  {
    name: 'one that is alone in a torn network does not count on a node that begins anew on the other side',
    cluster: { seed: 2146, nodes: 3, addresses: 9, apiApart: true },
    faults: [
      at(3_802, 23_717, { kind: 'tear', cables: both, nodes: ['n02'] }),
      at(5_930, 6_464, { kind: 'leave', node: 'n01' }),
    ],
  },
]

export function playCase({ cluster: options, faults }: Case): {
  readonly failures: readonly string[]
  readonly cluster: Cluster
} {
  const cluster = createCluster(options)
  return { failures: play(cluster, faults), cluster }
}
