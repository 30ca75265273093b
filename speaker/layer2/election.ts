/*
 * Which node answers for an address. Every speaker runs this over the same facts and comes to the same result, so nobody
 * has to be asked; the winner records its claim in a ServiceL2Status, and that record is the next election's `owner`.
 *
 * In this order:
 * 1. Who may. The contest brings its candidates: the nodes that can announce and have the highest preference. Only they
 *    win. An owner that is not among them loses, whether it died, leaves, may no longer, or is less preferred than a node
 *    that came back.
 * 2. Who has it keeps it, so that a node which comes back, or joins, takes nothing away from anybody.
 * 3. What has no owner is placed by rendezvous hashing: each pair of address and node has a score that depends on nothing
 *    else, and the highest score wins, so that speakers whose views differ a little still agree on nearly everything.
 *    Only nodes below their fair share take part, which is what keeps nine addresses on five nodes at 2-2-2-2-1.
 * 4. Where a node holds more than its bound (a quarter above the fair share, and never below the share rounded up), as many
 *    as are too many are moved to nodes below their share. The ones it scores lowest for go first. These are moves for
 *    nothing but the spread: the caller makes them without haste and without loss.
 *
 * The fair share of a node is its part of all addresses if each were divided among its candidates so that the fullest node
 * is as empty as possible. Where every address may be on every node that is simply addresses / nodes; where some are bound
 * to few nodes (externalTrafficPolicy Local), the rest make room for them.
 *
 * Properties that election.test.ts checks: the order of the input is irrelevant; a node that owns nothing can leave without
 * anything changing; nobody ends above its bound while one of its addresses could go elsewhere; nothing moves that does
 * not have to; speakers that adopt the result one by one, in any order, still end at the same result. The last holds
 * since a node's load when an address is placed is always a part of what the whole election gives it.
 *
 * How fast moves for spread or preference are made is the caller's: it treats a verdict of `spread` or `preferred` as one to
 * carry out when its turn has come (pacing.ts), and the election goes on proposing it until then.
 *
 * Left out: weights for nodes of different size.
 */

/** Nodes that may win, made once and shared by all contests that have the same ones. */
export interface Candidates {
  /** Those of the highest preference; never empty, sorted, without duplicates. */
  readonly nodes: readonly string[]
  /** Others that could, of lower preference. */
  readonly lesser: ReadonlySet<string>
}

/** One address (or several that must be together) and who may have it. */
export interface Contest {
  readonly key: string
  readonly candidates: Candidates
  /** Who has it by the record, if anyone. */
  readonly owner: string | undefined
}

/** Why the winner is the winner. */
export type ElectedBecause =
  /** It had it before. */
  | 'kept'
  /** Nobody had it. */
  | 'first'
  /** The owner can no longer. */
  | 'ownerUnable'
  /** The owner could, but this node is preferred. */
  | 'preferred'
  /** The owner has too many. */
  | 'spread'

export interface Verdict {
  readonly node: string
  readonly because: ElectedBecause
}

/** How far above its fair share a node may be before addresses are moved away from it. */
export const spreadBound = 1.25

/** The winner of every contest, by its key. */
export function elect(contests: Iterable<Contest>): ReadonlyMap<string, Verdict> {
  const all = [...contests]
  const field = fieldOf(all)
  const verdicts = new Map<string, Verdict>()
  const held: Contest[][] = field.names.map(() => [])
  const homeless: Contest[] = []

  for (const contest of all) {
    const owner = contest.owner === undefined ? undefined : field.indexes.get(contest.owner)
    if (contest.owner === undefined || owner === undefined || !field.electorate(contest).members.has(owner)) {
      homeless.push(contest)
      continue
    }
    verdicts.set(contest.key, { node: contest.owner, because: 'kept' })
    addTo(field.loads, owner, 1)
    held[owner]?.push(contest)
  }
  // Those with the least choice first, so that the others can make room for them.
  const choice = (contest: Contest): number => field.electorate(contest).nodes.length
  homeless.sort((one, other) => choice(one) - choice(other) || compareKeys(one, other))
  for (const contest of homeless) {
    const winner = placeFor(contest, field)
    addTo(field.loads, winner, 1)
    held[winner]?.push(contest)
    verdicts.set(contest.key, { node: field.names[winner] ?? '', because: becauseOf(contest) })
  }
  for (const [node, contests] of held.entries()) relieve(node, contests, field, verdicts)
  return verdicts
}

function compareKeys(one: Contest, other: Contest): number {
  return one.key < other.key ? -1 : one.key > other.key ? 1 : 0
}

function becauseOf(contest: Contest): ElectedBecause {
  if (contest.owner === undefined) return 'first'
  return contest.candidates.lesser.has(contest.owner) ? 'preferred' : 'ownerUnable'
}

/** The candidates with the same nodes, as indexes; and how many contests are among them. */
interface Electorate {
  readonly nodes: readonly number[]
  readonly members: ReadonlySet<number>
  count: number
}

/** What the election works on: nodes as indexes into arrays, in the order of their names. */
interface Field {
  readonly names: readonly string[]
  readonly indexes: ReadonlyMap<string, number>
  readonly hashes: Uint32Array
  readonly loads: Float64Array
  /** What would be fair, in fractions. */
  readonly shares: Float64Array
  /** Up to here nodes are filled: the shares in whole numbers. */
  readonly capacities: Uint32Array
  electorate(contest: Contest): Electorate
}

function fieldOf(contests: readonly Contest[]): Field {
  const distinct = new Set(contests.map(contest => contest.candidates))
  const names = [...new Set([...distinct].flatMap(candidates => candidates.nodes))].sort()
  const indexes = new Map(names.map((name, index) => [name, index]))
  const electorates = new Map<string, Electorate>()
  const byCandidates = new Map<Candidates, Electorate>()
  for (const candidates of distinct) {
    const nodes = candidates.nodes.map(name => indexes.get(name) ?? 0)
    const id = nodes.join()
    const electorate = electorates.get(id) ?? { nodes, members: new Set(nodes), count: 0 }
    electorates.set(id, electorate)
    byCandidates.set(candidates, electorate)
  }
  const electorate = (contest: Contest): Electorate => byCandidates.get(contest.candidates) ?? nobody
  for (const contest of contests) electorate(contest).count++
  // Sorted, since floating-point sums depend on their order, and every speaker must get the same.
  const ordered = [...electorates].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, value]) => value)
  const hashes = Uint32Array.from(names, hashText)
  const shares = fairShares(ordered, names.length)
  const loads = new Float64Array(names.length)
  return { names, indexes, hashes, loads, shares, capacities: wholeShares(shares, hashes), electorate }
}

const nobody: Electorate = { nodes: [], members: new Set(), count: 0 }

// Each round settles every electorate against all others; four come close enough where electorates overlap at all.
const fairShareRounds = 4

/** How many addresses each node would have if they could be cut in pieces and the fullest node were as empty as possible. */
function fairShares(electorates: readonly Electorate[], nodes: number): Float64Array {
  const shares = new Float64Array(nodes)
  const parts = electorates.map(({ nodes, count }) => new Float64Array(nodes.length).fill(count / nodes.length))
  for (const [index, { nodes }] of electorates.entries()) {
    for (const [position, node] of nodes.entries()) addTo(shares, node, parts[index]?.[position] ?? 0)
  }
  if (electorates.length === 1) return shares
  for (let round = 0; round < fairShareRounds; round++) {
    for (const [index, electorate] of electorates.entries()) {
      const part = parts[index]
      if (part && electorate.nodes.length > 1) pourAgain(electorate, part, shares)
    }
  }
  return shares
}

/** Takes one electorate's part out of the shares and pours it in again, like water, to where the level is lowest. */
function pourAgain({ nodes, count }: Electorate, part: Float64Array, shares: Float64Array): void {
  for (const [position, node] of nodes.entries()) addTo(shares, node, -(part[position] ?? 0))
  const levels = Float64Array.from(nodes, node => shares[node] ?? 0).sort()
  let under = 0
  let level = 0
  let sum = 0
  for (const bottom of levels) {
    if (under > 0 && level <= bottom) break
    under++
    sum += bottom
    level = (count + sum) / under
  }
  for (const [position, node] of nodes.entries()) {
    part[position] = Math.max(0, level - (shares[node] ?? 0))
    addTo(shares, node, part[position] ?? 0)
  }
}

// Shares are sums of fractions: a share of 3 may come out as 3.0000000001.
const tolerance = 1e-6

/**
 * Shares in whole numbers. Below one address each, every node may have one. Above, all get their share rounded down, and
 * as many as are needed for the rest, by their hash, one more: rounding all of them up would fill some and leave others
 * with far less.
 */
function wholeShares(shares: Float64Array, hashes: Uint32Array): Uint32Array {
  const capacities = Uint32Array.from(shares, share =>
    share <= 1 ? Math.ceil(share - tolerance) : Math.floor(share + tolerance),
  )
  const fractional = [...shares.keys()].filter(node => (shares[node] ?? 0) - (capacities[node] ?? 0) > tolerance)
  const rest = fractional.reduce((sum, node) => sum + (shares[node] ?? 0) - (capacities[node] ?? 0), 0)
  fractional.sort((one, other) => (hashes[other] ?? 0) - (hashes[one] ?? 0) || one - other)
  for (const node of fractional.slice(0, Math.ceil(rest - tolerance))) capacities[node] = (capacities[node] ?? 0) + 1
  return capacities
}

/** A node that has more than this gives some away. */
function tooManyAbove(share: number): number {
  return Math.max(Math.ceil(share - tolerance), Math.floor(share * spreadBound + tolerance))
}

/** The candidate below its share that scores highest; where all are full, the one least above its share. */
function placeFor(contest: Contest, field: Field): number {
  const { nodes } = field.electorate(contest)
  const withRoom = bestWithRoom(contest, field)
  if (withRoom !== undefined) return withRoom
  let best = nodes[0] ?? 0
  for (const node of nodes) {
    if (excess(node, field) < excess(best, field)) best = node
  }
  return best
}

function excess(node: number, { loads, capacities }: Field): number {
  return (loads[node] ?? 0) - (capacities[node] ?? 0)
}

function bestWithRoom(contest: Contest, field: Field): number | undefined {
  const hash = hashText(contest.key)
  let best: number | undefined
  let bestScore = -1
  for (const node of field.electorate(contest).nodes) {
    if (excess(node, field) >= 0) continue
    const nodeScore = mix(hash, field.hashes[node] ?? 0)
    if (nodeScore > bestScore) {
      best = node
      bestScore = nodeScore
    }
  }
  return best
}

/** Moves away what a node has above its bound, as far as other nodes have room. */
function relieve(node: number, contests: readonly Contest[], field: Field, verdicts: Map<string, Verdict>): void {
  const most = tooManyAbove(field.shares[node] ?? 0)
  if ((field.loads[node] ?? 0) <= most) return
  const nodeHash = field.hashes[node] ?? 0
  const scored = contests.map(contest => ({
    contest,
    // What was only just placed here has not moved yet, so placing it elsewhere costs nothing.
    settled: verdicts.get(contest.key)?.because === 'kept' ? 1 : 0,
    score: mix(hashText(contest.key), nodeHash),
  }))
  for (const { contest, settled } of scored.sort(
    (one, other) => one.settled - other.settled || one.score - other.score,
  )) {
    if ((field.loads[node] ?? 0) <= most) return
    const winner = bestWithRoom(contest, field)
    if (winner === undefined || winner === node) continue
    addTo(field.loads, node, -1)
    addTo(field.loads, winner, 1)
    verdicts.set(contest.key, { node: field.names[winner] ?? '', because: settled ? 'spread' : becauseOf(contest) })
  }
}

/** How well an address and a node go together: the same on every speaker, 32 bits, larger is better. */
export function score(address: string, node: string): number {
  return mix(hashText(address), hashText(node))
}

function mix(one: number, other: number): number {
  return finish(Math.imul(one, 0x9e3779b1) ^ other)
}

/** FNV-1a over UTF-16 code units; its weak low bits are what `finish` is for. */
function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return finish(hash)
}

/** The last step of MurmurHash3: every bit of the input changes half of the output's. */
function finish(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function addTo(array: Float64Array, index: number, amount: number): void {
  array[index] = (array[index] ?? 0) + amount
}
