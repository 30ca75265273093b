/*
 * The table of docs/layer2.md, "What goes wrong, and what is promised": bounds.test.ts measures each row and compares it with
 * the page; allowance.ts holds random schedules to what the page says of one fault at a time.
 */

/** One row: for how long, in milliseconds, nobody and two may answer; undefined = there is no bound. */
export interface Bound {
  /** The page's words, without marks. */
  readonly situation: string
  readonly none: number | undefined
  readonly two: number | undefined
}

/** Two answer while an address is handed over, until the old owner has seen the new one's packets. */
export const handOverMs = 50

export const bounds = {
  powerCut: { situation: 'power cut, kill -9, most members left', none: 700, two: 0 },
  fewLeft: { situation: '… half or fewer left, API server there, up to seven nodes', none: 1_300, two: 0 },
  fewLeftOfMany: { situation: '… the same in larger clusters', none: 5_000, two: 0 },
  halfLeftAlone: { situation: '… half left, API server away', none: 3_800, two: 0 },
  fewLeftAlone: { situation: '… fewer than half left, API server away', none: undefined, two: 0 },
  handOver: { situation: 'SIGTERM, rolling restart, drain', none: 0, two: handOverMs },
  handOverAlone: { situation: 'SIGTERM while the API server is away', none: 100, two: 0 },
  nodeBack: { situation: 'node back, node added', none: 0, two: handOverMs },
  apiAway: { situation: 'API server away, however long', none: 0, two: 0 },
  apiAwayPowerCut: { situation: 'API server away, then a node dies', none: 700, two: 0 },
  apiAwayPowerCutTorn: { situation: '… and those left lose each other for a second', none: 0, two: 0 },
  apiCut: { situation: 'one node cut off from the API server only', none: 0, two: 1_200 },
  stopped: { situation: 'process stopped for t (SIGSTOP, VM pause)', none: 700, two: 0 },
  clockStopped: { situation: "… and the machine's clock stood still as well", none: 700, two: 400 },
  linkDown: { situation: 'link down on a node', none: 100, two: 0 },
  wayTorn: { situation: 'way between nodes torn, segment whole', none: 200, two: 0 },
  torn: { situation: 'segment and way between nodes torn, on the larger side', none: 700, two: 0 },
  reunion: { situation: '… when the sides meet again', none: 1_200, two: 2_000 },
  reunionAlone: { situation: '… when they meet while the API server is away', none: 1_200, two: 15_000 },
  oneWay: { situation: 'one direction between two nodes broken', none: 0, two: 0 },
} as const satisfies Record<string, Bound>
