import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { buildRawsock } from '../../speaker/rawsock/build.ts'
import { whyNoLab } from '../lab/tools.ts'
import { type BerthProcess, peer, route, startBerth } from './berth.ts'
import { berthState, besideEachRouter, deafen, type Started, seen } from './beside.ts'
import { bfdSession } from './bfd-berth.ts'
import { bird } from './bird.ts'
import { frr } from './frr.ts'
import type { RouterSettings } from './router.ts'
import { until } from './until.ts'

/* BGP sessions that both sides watch by BFD, 50 ms × 3, with a hold time of 9 s: which of the two it was that noticed. */

const v4 = '203.0.113.1/32'
const restartable = peer({ gracefulRestart: { restartTimeSeconds: 30 } })

if ((await whyNoLab()) === undefined) await buildRawsock()

await besideEachRouter(
  ({ make, hosts, start }) => {
    afterEach(() => both(false))
    const both = (isDeaf: boolean) => Promise.all([hosts().node, hosts().client].map(host => deafen(host, isDeaf)))

    async function watched(settings: Partial<RouterSettings> = {}): Promise<Started> {
      const { router, berth } = await start({ bfd: { intervalMs: 50, multiplier: 3 }, ...settings })
      berth.configure([settings.gracefulRestart ? restartable : peer()], { router: [route(v4)] })
      berth.watch(bfdSession())
      await seen(router, 1)
      await bfdIsUp(berth)
      return { router, berth }
    }

    test('a path that goes silent ends the session on both sides within the detection time, and comes back', async () => {
      const { router, berth } = await watched()
      const [cutMs, atMs] = [Date.now(), performance.now()]
      await both(true)
      const [status] = await Promise.all([
        until(
          'Berth notices',
          () => berthState(berth),
          ({ state }) => state !== 'Established',
        ),
        until(
          'the router notices',
          () => router.isEstablished(),
          established => !established,
        ),
      ])
      // Most of it is the time that it takes to ask the router.
      expect(performance.now() - atMs).toBeLessThan(2_000)
      expect(status.lastError).toMatchObject({ from: 'local', text: 'Cease: BFD Down' })
      expect((status.sinceMs - cutMs) / 150).toBeLessThan(3)
      expect(await router.neighbour()).toMatch(/Cease\/BFD Down|BFD session down/)
      await seen(router, 0)
      await both(false)
      await seen(router, 1)
      await bfdIsUp(berth)
    })

    // RFC 5882 §3.2 would have it go on; FRR 8.4 and BIRD 2.0.12 take AdminDown for a failure, once.
    test('a node that is told to watch no more has its session again, without BFD', async () => {
      const { router, berth } = await watched()
      berth.watch()
      await until(
        'the router knows',
        () => router.bfdIsUp(),
        isUp => !isUp,
      )
      berth.configure([peer()], { router: [route(v4), route('203.0.113.2/32')] })
      await seen(router, 2)
      expect((await berthState(berth)).lastError?.from).not.toBe('local')
    })

    const ends = {
      'restart that is announced': (berth: BerthProcess) =>
        berth.stop({ kind: 'restart', communication: 'a new version' }),
      crash: (berth: BerthProcess) => berth.kill(),
    }
    test.each(Object.entries(ends))('a %s keeps the routes, though BFD ends with it', async (_, end) => {
      const { router, berth } = await watched({ gracefulRestart: true })
      await end(berth)
      await until(
        'the router notices',
        () => router.isEstablished(),
        established => !established,
      )
      await until(
        'BFD is not Up',
        () => router.bfdIsUp(),
        isUp => !isUp,
      )
      // What BFD does to the routes it has done by now.
      await delay(500)
      expect(await router.routes()).toMatchObject([{ prefix: v4, stale: true }])
      const again = await startBerth(hosts().node)
      again.configure([restartable], { router: [route(v4)] })
      again.watch(bfdSession())
      await until(
        'it is fresh again',
        () => router.routes(),
        ([only]) => only?.stale === false,
      )
      await bfdIsUp(again)
    })

    // To the router a dead node looks like this; where only the speaker has ended, the connection's end comes before BFD's.
    test('a node that falls silent is no restart for FRR, and one for BIRD with bfd graceful', async () => {
      const { router } = await watched({ gracefulRestart: true })
      await both(true)
      await until(
        'BFD is not Up',
        () => router.bfdIsUp(),
        isUp => !isUp,
      )
      // What BFD does to the routes it has done by now.
      await delay(500)
      expect(await router.routes()).toMatchObject(make.name === 'FRR' ? [] : [{ prefix: v4, stale: true }])
    })

    test('a node that hears nothing any more tells the router why it goes, and is welcome when it hears again', async () => {
      const { router, berth } = await watched()
      const frozenMs = Date.now()
      await deafen(hosts().node, true)
      const status = await until(
        'Berth notices',
        () => berthState(berth),
        ({ state }) => state !== 'Established',
      )
      expect((status.sinceMs - frozenMs) / 150).toBeLessThan(3)
      // It still hears us: our Cease, or that our end of BFD is Down, whichever is first.
      await until(
        'the router is told',
        () => router.neighbour(),
        words => /Cease\/BFD Down|Received: Unknown error 6\.10|BFD session down/.test(words),
      )
      await seen(router, 0)
      await deafen(hosts().node, false)
      await seen(router, 1)
    })
  },
  [frr, bird],
)

async function bfdIsUp(berth: BerthProcess): Promise<void> {
  await until(
    'BFD is Up, 50 ms × 3',
    () => berth.bfd(),
    ([only]) => only?.state === 'Up' && only.detectionTimeMs === 150,
  )
}
