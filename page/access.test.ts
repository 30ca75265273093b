import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import type { ApiRequest } from '../kube/transport.ts'
import { createGatekeeper } from './access.ts'

const log = pino({ level: 'silent' })

interface Review {
  readonly authenticated?: boolean
  readonly allowed?: boolean
}

/** A gatekeeper who asks a function, with a clock that is moved by hand. */
function gatekeeper(review: (request: ApiRequest) => Review | Promise<Review>) {
  const asked: ApiRequest[] = []
  const clock = { nowMs: 0 }
  const transport = {
    request: async <T>(request: ApiRequest): Promise<T> => {
      asked.push(request)
      return { status: { user: { username: 'ann', groups: ['net'] }, ...(await review(request)) } } as T
    },
  }
  return { asked, clock, ...createGatekeeper({ transport, log, rememberMs: 10_000, nowMs: () => clock.nowMs }) }
}

const isTokenReview = ({ path }: ApiRequest): boolean => path.endsWith('tokenreviews')

test('who may get the path is let in, and asked for once in ten seconds', async () => {
  const { decide, asked, clock } = gatekeeper(() => ({ authenticated: true, allowed: true }))
  expect(await Promise.all([decide('t'), decide('t')])).toEqual([
    { kind: 'granted', user: 'ann' },
    { kind: 'granted', user: 'ann' },
  ])
  expect(asked).toHaveLength(2)
  expect(asked[1]?.body).toMatchObject({
    spec: { user: 'ann', groups: ['net'], nonResourceAttributes: { path: '/berth/status-page', verb: 'get' } },
  })
  clock.nowMs = 9_999
  await decide('t')
  expect(asked).toHaveLength(2)
  clock.nowMs = 10_000
  await decide('t')
  expect(asked).toHaveLength(4)
})

test('an unknown token is asked about no further, and a known one without the right is refused', async () => {
  const unknown = gatekeeper(() => ({ authenticated: false }))
  expect(await unknown.decide('t')).toMatchObject({ kind: 'unknown' })
  expect(unknown.asked).toHaveLength(1)
  const forbidden = gatekeeper(request => (isTokenReview(request) ? { authenticated: true } : { allowed: false }))
  expect(await forbidden.decide('t')).toMatchObject({
    kind: 'forbidden',
    problem: expect.stringContaining('ann may not'),
  })
})

test('anything but a clear yes is no', async () => {
  const strange = gatekeeper(() => ({ authenticated: 'yes', allowed: 'yes' }) as unknown as Review)
  expect(await strange.decide('t')).toMatchObject({ kind: 'unknown' })
})

describe('is asked about nothing', () => {
  test.each(['', 'x'.repeat(20_000)])('that cannot be a token', async token => {
    const { decide, asked } = gatekeeper(() => ({ authenticated: true, allowed: true }))
    expect(await decide(token)).toMatchObject({ kind: 'unknown' })
    expect(asked).toEqual([])
  })

  test('when too many tokens are being looked at: a flood of them does not reach the API server', async () => {
    const { promise, resolve } = Promise.withResolvers<Review>()
    const { decide, asked } = gatekeeper(() => promise)
    const answers = Array.from({ length: 500 }, (_, index) => decide(`t${index}`))
    expect(asked).toHaveLength(8)
    resolve({ authenticated: false })
    const kinds = (await Promise.all(answers)).map(({ kind }) => kind)
    expect(kinds.filter(kind => kind === 'undecided')).toHaveLength(492)
  })
})

test('a failure is forgotten at once, so that who may look can look again', async () => {
  let works = false
  const { decide } = gatekeeper(() =>
    works ? { authenticated: true, allowed: true } : Promise.reject(new Error('no')),
  )
  expect(await decide('t')).toMatchObject({ kind: 'undecided' })
  works = true
  expect(await decide('t')).toMatchObject({ kind: 'granted' })
})
