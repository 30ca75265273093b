import { describe, expect, it } from 'vitest'
import { type Request, summarize } from './probe.ts'

const answered = (sentAtMs: number, node = 'node-1'): Request => ({
  sentAtMs,
  doneAtMs: sentAtMs + 2,
  node,
  problem: undefined,
  askedAgain: false,
})
const lost = (sentAtMs: number): Request => ({
  sentAtMs,
  doneAtMs: sentAtMs + 500,
  node: undefined,
  problem: 'no answer in time',
  askedAgain: false,
})

describe('what requests amount to', () => {
  it('loss lasts from the first lost request to the next after the last, whichever were answered between', () => {
    // As they end: what was lost is told of last.
    const done = [0, 10, 30, 50, 60].map(ms => answered(ms)).concat([20, 40].map(lost))
    expect(summarize(done)).toMatchObject({ sent: 7, answered: 5, lossMs: 30, problems: { 'no answer in time': 2 } })
  })

  it('nothing was lost, and the longest silence is between two answers', () => {
    const done = [answered(0), answered(10), { ...answered(200, 'node-2'), askedAgain: true }]
    expect(summarize(done)).toMatchObject({
      lossMs: 0,
      askedAgain: 1,
      longestSilenceMs: 190,
      nodes: { 'node-1': 2, 'node-2': 1 },
    })
  })

  it('everything was lost to the end', () => {
    expect(summarize([answered(0), lost(10), lost(30)]).lossMs).toBe(20)
  })
})
