import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { type Cluster, openCluster } from '../../controller/test-cluster.ts'
import { formatAddress } from '../../net/address.ts'
import { type Page, servePage } from '../../page/serve.ts'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import { type Browser, findChromium, startChromium } from '../page/chromium.ts'
import { addressOf, buildScene, usualServices } from '../page/scene.ts'
import { number, promiseTable, table } from './report.ts'
import { median } from './statistics.ts'

/** When something is to be seen, and when what has changed in the cluster is: in a real Chromium. */
export async function pageSection(options: {
  readonly quick: boolean
  readonly progress: (line: string) => void
}): Promise<string> {
  const { quick, progress } = options
  const heading = '## Status page: until something is to be seen'
  const program = findChromium()
  if (program === undefined) return `${heading}\n\nNot measured: there is no chromium.\n`
  const services = quick ? usualServices / 10 : usualServices
  await using controlPlane = await startControlPlane({ progress })
  const cluster = await openCluster(controlPlane)
  try {
    progress(`making ${number(services)} Services`)
    await buildScene(controlPlane, cluster, { services })
    const page = await openPage(controlPlane, cluster)
    try {
      await using browser = await startChromium(program)
      progress('opening the page again and again')
      const first = await look(browser, page)
      const later: Look[] = []
      for (let round = 0; round < (quick ? 3 : 11); round++) later.push(await look(browser, page))
      progress('changing addresses while somebody looks')
      const updates = await seeUpdates(browser, page, cluster, quick ? 3 : 11)
      return `${heading}

${number(services)} Services with addresses of a /16, on a real API server; the page is opened in a new profile of a real
Chromium each time. The first who looks waits for the thread that watches the cluster: it starts with the document and
lists everything once. Medians of ${later.length}, and the longest.

${table(
  ['what is to be seen', 'first who looks', 'median', 'longest'],
  [
    row(
      'something at all (first contentful paint)',
      first.paintMs,
      later.map(({ paintMs }) => paintMs),
    ),
    row(
      'the overview with its numbers',
      first.viewMs,
      later.map(({ viewMs }) => viewMs),
    ),
    row('a Service’s new address, in a list that is open', undefined, updates),
  ],
)}

${promiseTable([
  promise('first paint, the longest', Math.max(first.paintMs, ...later.map(({ paintMs }) => paintMs)), 1_000),
  promise('a change is seen, the longest', Math.max(...updates), 2_000),
])}
`
    } finally {
      await page.close()
    }
  } finally {
    cluster.transport.close()
  }
}

function row(what: string, firstMs: number | undefined, laterMs: readonly number[]): readonly string[] {
  const milliseconds = (value: number): string => `${number(value)} ms`
  const first = firstMs === undefined ? '' : milliseconds(firstMs)
  return [what, first, milliseconds(median(laterMs)), milliseconds(Math.max(...laterMs))]
}

function promise(what: string, value: number, limit: number) {
  return { promise: what, value, limit, limitName: 'the goal,', unit: ' ms' }
}

async function openPage(controlPlane: ControlPlane, { transport }: Pick<Cluster, 'transport'>): Promise<Page> {
  return await servePage({
    address: { host: '127.0.0.1', port: 0, isLoopback: true },
    transport,
    watcher: {
      kubeconfig: await controlPlane.kubeconfig(),
      namespace: 'berth-system',
      loadBalancerClass: undefined,
      logLevel: 'silent',
    },
    log: pino({ level: 'silent' }),
  })
}

/** From the navigation on. */
interface Look {
  readonly paintMs: number
  readonly viewMs: number
}

async function look(browser: Browser, page: Page): Promise<Look> {
  const tab = await browser.open()
  try {
    await tab.go(`http://127.0.0.1:${page.port}/#/`)
    const viewMs = `document.querySelector('.figures') && performance.now()`
    const paint = `performance.getEntriesByName('first-contentful-paint')[0]`
    const shown = await tab.until<number>(viewMs, 60_000)
    return { viewMs: shown, paintMs: await tab.until<number>(`${paint} && ${paint}.startTime`) }
  } finally {
    await tab.close()
  }
}

/** From the API server's word that the address is written until it stands in the list. */
async function seeUpdates(browser: Browser, page: Page, cluster: Cluster, times: number): Promise<readonly number[]> {
  await cluster.service('brand-new')
  const tab = await browser.open()
  try {
    await tab.go(`http://127.0.0.1:${page.port}/#/services?search=brand-new`)
    await tab.until(`document.querySelector('.rows tbody a')?.textContent === 'default/brand-new'`)
    const samples: number[] = []
    for (let round = 0; round < times; round++) {
      const ip = formatAddress({ ...addressOf(0), value: addressOf(0).value + 60_000n + BigInt(round) })
      await cluster.patchStatus('brand-new', { loadBalancer: { ingress: [{ ip }] } })
      const writtenMs = performance.now()
      await tab.until(`document.querySelector('.rows .address').textContent === '${ip}'`)
      samples.push(performance.now() - writtenMs)
      // Not always at the same moment of the thread's pace.
      await delay(137 * (round % 7))
    }
    return samples
  } finally {
    await tab.close()
  }
}
