import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Cluster, openCluster } from '../../controller/test-cluster.ts'
import { formatAddress } from '../../net/address.ts'
import { parsePageAddress } from '../../page/address.ts'
import { type Page, servePage } from '../../page/serve.ts'
import { type ControlPlane, startControlPlane } from '../control-plane/control-plane.ts'
import { type Browser, findChromium, startChromium, type Tab } from './chromium.ts'
import { accessibilityProblems, faintTexts, longestFrame } from './inspect.ts'
import { addressOf, buildScene, isInConflict, nameOf, usualServices } from './scene.ts'

/*
 * The page as a person has it, in a real Chromium, before a cluster whose Services fill two fifths of a /16.
 * BERTH_PAGE_PICTURES=DIR keeps pictures of every view.
 */

const program = findChromium()
const services = usualServices
let controlPlane: ControlPlane
let cluster: Cluster
let page: Page
let browser: Browser
let pictures: string
let tab: Tab

if (!program) console.log('skipped: there is no chromium (apt-get install chromium, or CHROMIUM=/path/of/it)')

describe.skipIf(!program)('in Chromium', () => {
  beforeAll(async () => {
    pictures = process.env['BERTH_PAGE_PICTURES'] ?? (await mkdtemp(join(tmpdir(), 'berth-page-')))
    controlPlane = await startControlPlane()
    cluster = await openCluster(controlPlane)
    await buildScene(controlPlane, cluster, { services })
    page = await openPage('127.0.0.1:0')
    browser = await startChromium(program ?? '')
  })
  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]()
    await page?.close()
    cluster?.transport.close()
    await controlPlane?.stop()
  })
  beforeEach(async () => {
    tab = await browser.open()
    return async () => {
      // Whatever a test is about: no policy is broken, nothing is asked of anybody else, and the console is silent.
      const elsewhere = tab.requests.filter(url => !url.startsWith(`http://127.0.0.1:${page.port}/`))
      const wrong = [...tab.complaints, ...elsewhere.map(url => `asks for ${url}`)]
      if (wrong.length > 0) throw new Error(`in the browser:\n${wrong.join('\n')}`)
      await tab.close()
    }
  })

  const views = [
    { name: 'overview', hash: '#/', heading: /things? needs? attention/, holds: 'Pools exhausted' },
    { name: 'pools', hash: '#/pools', heading: /^Pools$/, holds: '2001:db8:0:2::/64' },
    { name: 'pool', hash: '#/pools/public', heading: /^public$/, holds: '256 addresses a cell' },
    {
      name: 'part',
      hash: '#/pools/public?from=10.0.3.0&to=10.0.3.255',
      heading: /^10\.0\.3\.0\/24$/,
      holds: '195 of 256',
    },
    { name: 'small', hash: '#/pools/small', heading: /^small$/, holds: '2 avoided' },
    { name: 'v6', hash: '#/pools/public-v6', heading: /^public-v6$/, holds: '540 of 2^64 in use' },
    { name: 'services', hash: '#/services', heading: /^Services$/, holds: 'billing/api-1' },
    { name: 'service', hash: '#/services/shop/web-0', heading: /^shop\/web-0$/, holds: 'If that node were lost' },
    { name: 'pending', hash: '#/services/billing/login-7', heading: /login-7$/, holds: 'Pools exhausted' },
    { name: 'nodes', hash: '#/nodes', heading: /^Nodes$/, holds: 'no speaker runs there' },
    { name: 'sessions', hash: '#/sessions', heading: /sessions$/, holds: 'connection refused by 10.255.0.1' },
    { name: 'timeline', hash: '#/timeline', heading: /^Time line$/, holds: 'moved from rack-b-02' },
  ] as const

  test.each(views)('the view $name shows what it is for, in light and in dark, and says it well', async view => {
    await open(view.hash)
    await tab.until(`document.querySelector('h1') && document.body.innerText.includes(${JSON.stringify(view.holds)})`)
    expect(await tab.evaluate<string>(`document.querySelector('h1').textContent`)).toMatch(view.heading)
    await delay(350)
    await tab.picture(join(pictures, `light-${view.name}.png`))
    expect(await tab.evaluate(accessibilityProblems)).toEqual([])
    expect(await tab.evaluate(faintTexts)).toEqual([])
    await tab.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: 'dark' }] })
    await delay(350)
    await tab.picture(join(pictures, `dark-${view.name}.png`))
    expect(await tab.evaluate(faintTexts)).toEqual([])
  })

  test('two fifths of a /16 are in use, and what somebody else claims too is red from the whole map down to the address', async () => {
    await open('#/pools/public')
    await tab.until(`document.querySelectorAll('.map .cell').length === 256`)
    expect(await tab.evaluate(`document.querySelector('.facts').textContent`)).toMatch(/ of 65,536 in use \(40%\)/)
    const indices = Array.from({ length: services }, (_, index) => index).filter(isInConflict)
    const blocks = indices.map(index => formatAddress(addressOf(index)).replace(/\.\d+$/, '.0/24'))
    const red = `[...document.querySelectorAll('.map .cell.conflict')].map(cell => cell.getAttribute('aria-label').split(': ')[0])`
    expect(await tab.evaluate(red)).toEqual(blocks)
    expect(await tab.evaluate(`document.querySelector('.facts .badge').textContent`)).toBe(`${blocks.length} conflicts`)
    const style = (cell: string, property: string): string =>
      `getComputedStyle(document.querySelector('.map .cell.${cell}')).${property}`
    expect(await tab.evaluate(style('used', 'boxShadow'))).toBe('none')
    expect(await tab.evaluate(style('conflict', 'boxShadow'))).toContain('inset')
    await tab.evaluate(`document.querySelector('.map .cell.conflict').focus()`)
    await tab.press('Enter')
    await tab.until(`document.querySelector('h1').textContent === '10.0.0.0/24'`)
    const { namespace, name } = nameOf(13)
    expect(await tab.evaluate(`document.querySelector('.map .cell.conflict').getAttribute('aria-label')`)).toBe(
      `10.0.0.14: ${namespace}/${name}, 1 conflict`,
    )
    const [claimed, used] = await Promise.all(
      ['conflict', 'used'].map(cell => tab.evaluate<string>(style(cell, 'backgroundColor'))),
    )
    expect(claimed).not.toBe(used)
    expect(await tab.evaluate(`document.querySelector('table').textContent`)).toContain('in use by 52:54:00:12:34:56')
    await tab.picture(join(pictures, 'light-conflict.png'))
  })

  test('of a /64 a link leads to what little of it is in use, and there its addresses stand with their Services', async () => {
    await open('#/pools/public-v6')
    await tab.until(`document.querySelector('.facts a')`)
    expect(await tab.evaluate(`document.querySelectorAll('.map .cell').length`)).toBe(256)
    // All of them lie in one cell of the map, which is not to be taken for an empty one.
    const used = `[...document.querySelectorAll('.map .cell.used')].map(cell => cell.getAttribute('aria-label'))`
    expect(await tab.evaluate(used)).toEqual(['2001:db8:0:2::/72: 540 of 2^56 in use'])
    await tab.evaluate(`document.querySelector('.facts a').focus()`)
    await tab.press('Enter')
    await tab.until(`document.querySelector('h1').textContent !== 'public-v6'`)
    expect(await tab.evaluate(`document.querySelector('.facts').textContent`)).toMatch(/540 of 32,768 in use/)
    const { namespace, name } = nameOf(53)
    const row = `[...document.querySelectorAll('tbody tr')].find(row => row.querySelector('th').textContent === '2001:db8:0:2::35')`
    expect(await tab.evaluate(`${row}.textContent`)).toBe(`2001:db8:0:2::35${namespace}/${name}`)
    await tab.picture(join(pictures, 'light-v6-part.png'))
  })

  test('the first paint comes soon, and the first view with it', async () => {
    await open('#/')
    await tab.until(`document.querySelector('.figures') && performance.getEntriesByName('first-contentful-paint')[0]`)
    const times = await tab.evaluate<{ paint: number; view: number }>(`({
      paint: performance.getEntriesByName('first-contentful-paint')[0].startTime,
      view: performance.getEntriesByType('resource').find(({ name }) => name.includes('/api/views/')).responseEnd,
    })`)
    console.log(`first paint after ${Math.round(times.paint)} ms, the overview after ${Math.round(times.view)} ms`)
    // A second on a machine that has nothing else to do.
    expect(times.paint).toBeLessThan(3_000)
  })

  test('only the rows in sight are in the document, wherever one has scrolled to', async () => {
    await open('#/services?sort=address')
    await tab.until(`document.querySelector('.rows tbody a')`)
    const rows = `document.querySelectorAll('.rows tbody tr').length`
    expect(await tab.evaluate<number>(rows)).toBeLessThan(150)
    expect(await tab.evaluate(`document.querySelector('.rows table').getAttribute('aria-rowcount')`)).toBe(
      String(services + 1),
    )
    // To the middle and to the end, as one drags a scroll bar; what is in sight comes.
    for (const part of [0.5, 1]) {
      await tab.evaluate(
        `{ const list = document.querySelector('.rows'); list.scrollTop = list.scrollHeight * ${part} }`,
      )
      await tab.until(
        `[...document.querySelectorAll('.rows tbody th')].length > 10 && ![...document.querySelectorAll('.rows tbody th')].some(cell => cell.textContent === '…')`,
      )
      expect(await tab.evaluate<number>(rows)).toBeLessThan(150)
    }
    const last = `document.querySelector('.rows tbody tr[aria-rowindex="${services + 1}"]')`
    await tab.until(`${last}?.textContent.includes('no address')`)
    const long = await tab.evaluate<number>(longestFrame)
    console.log(`longest frame while scrolling through the list: ${Math.round(long)} ms`)
    expect(long).toBeLessThan(1_000)
  })

  test('what changes in the cluster is seen without asking for it', async () => {
    await open('#/services?search=brand-new')
    await tab.until(`document.querySelector('.nothing')`)
    await cluster.service('brand-new')
    await tab.until(`document.querySelector('.rows tbody a')?.textContent === 'default/brand-new'`)
    expect(await tab.evaluate(`document.querySelector('.rows .badge').textContent`)).toBe('no address')
    await cluster.patchStatus('brand-new', { loadBalancer: { ingress: [{ ip: '10.0.255.9' }] } })
    await tab.until(`document.querySelector('.rows .address').textContent === '10.0.255.9'`)
    await cluster.remove('/api/v1/namespaces/default/services/brand-new')
    await tab.until(`document.querySelector('.nothing')`)
  })

  test('with the keyboard alone: / searches, the arrow keys go through what is found, Enter opens it', async () => {
    await open('#/')
    await tab.until(`document.querySelector('.figures')`)
    await tab.press('/')
    expect(await tab.evaluate(`document.activeElement.id`)).toBe('search')
    const { namespace, name } = nameOf(42)
    await tab.type(formatAddress(addressOf(42)))
    await tab.until(`document.querySelector('.rows tbody a')?.textContent === '${namespace}/${name}'`)
    await tab.press('ArrowDown', 'Enter')
    await tab.until(`document.querySelector('h1').textContent === '${namespace}/${name}'`)
    // The map is one stop of Tab, and arrow keys move in it.
    await tab.evaluate(`location.hash = '#/pools/public'`)
    await tab.until(`document.querySelectorAll('.map .cell').length === 256`)
    expect(await tab.evaluate(`document.querySelectorAll('.map .cell[tabindex="0"]').length`)).toBe(1)
    await tab.evaluate(`document.querySelector('.map .cell').focus()`)
    await tab.press('ArrowDown', 'ArrowRight')
    expect(await tab.evaluate(`document.activeElement.getAttribute('aria-label')`)).toMatch(/^10\.0\.33\.0\/24: /)
    await tab.press('Enter')
    await tab.until(`document.querySelector('h1').textContent === '10.0.33.0/24'`)
  })

  test('what has the focus keeps it while the view is drawn anew', async () => {
    await open('#/services')
    await tab.until(`document.querySelector('.rows tbody a')`)
    const focused = await tab.evaluate<string>(
      `(() => { const link = document.querySelectorAll('.rows tbody a')[3]; link.focus(); window.kept = link; return link.textContent })()`,
    )
    await cluster.service('zz-another')
    await tab.until(`document.querySelector('.choices b').textContent !== '${services.toLocaleString('en')}'`)
    expect(await tab.evaluate(`document.activeElement === window.kept && window.kept.textContent`)).toBe(focused)
    await cluster.remove('/api/v1/namespaces/default/services/zz-another')
  })

  test('the theme goes round by its button, whatever the system has, and is remembered', async () => {
    await open('#/nodes')
    await tab.until(`document.querySelector('h1')`)
    const ground = `getComputedStyle(document.documentElement).backgroundColor`
    const light = await tab.evaluate<string>(ground)
    for (const label of ['Light', 'Dark']) {
      await tab.evaluate(`document.getElementById('theme').click()`)
      expect(await tab.evaluate(`document.getElementById('theme').textContent`)).toBe(label)
    }
    expect(await tab.evaluate<string>(ground)).not.toBe(light)
    await tab.send('Page.reload')
    await tab.until(`document.documentElement.dataset.theme === 'dark'`)
  })

  test('narrow as a telephone, nothing is wider than the screen', async () => {
    await tab.send('Emulation.setDeviceMetricsOverride', {
      width: 380,
      height: 800,
      deviceScaleFactor: 1,
      mobile: false,
    })
    for (const { hash, name, heading } of views) {
      await open(hash)
      await tab.until(`${heading.toString()}.test(document.querySelector('h1')?.textContent)`)
      const width = await tab.evaluate<number>(`document.documentElement.scrollWidth`)
      expect({ name, isWide: width > 380, width }).toMatchObject({ name, isWide: false })
      await tab.picture(join(pictures, `narrow-${name}.png`))
    }
  })

  test('where a token is wanted the page asks for one, says what is wrong with it, and goes on with one that is good', async () => {
    await controlPlane.kubectl(['create', 'serviceaccount', 'viewer'])
    await controlPlane.kubectl([
      'create',
      'clusterrole',
      'viewer',
      '--verb=get',
      '--non-resource-url=/berth/status-page',
    ])
    const guarded = await openPage(':0')
    const tab = await browser.open()
    try {
      await tab.go(`http://127.0.0.1:${guarded.port}/`)
      await tab.until(`document.activeElement?.id === 'token'`)
      await tab.picture(join(pictures, 'light-login.png'))
      const token = (await controlPlane.kubectl(['create', 'token', 'viewer'])).trim()
      await tab.type(token)
      await tab.press('Enter')
      await tab.until(`document.querySelector('.matter')?.textContent.includes('may not see this page')`)
      await controlPlane.kubectl([
        'create',
        'clusterrolebinding',
        'viewer',
        '--clusterrole=viewer',
        '--serviceaccount=default:viewer',
      ])
      await delay(1_100)
      await tab.type(token)
      await tab.press('Enter')
      await tab.until(`document.querySelector('.figures') && document.getElementById('live').textContent === 'live'`)
    } finally {
      await tab.close()
      await guarded.close()
    }
  })
})

async function openPage(address: string): Promise<Page> {
  const parsed = parsePageAddress(address)
  if (!parsed) throw new Error(`${address} is no address`)
  return await servePage({
    address: parsed,
    transport: cluster.transport,
    watcher: {
      kubeconfig: await controlPlane.kubeconfig(),
      namespace: 'berth-system',
      loadBalancerClass: undefined,
      logLevel: 'silent',
    },
    log: pino({ level: 'silent' }),
    rememberMs: 1_000,
  })
}

async function open(hash: string): Promise<void> {
  await tab.go(`http://127.0.0.1:${page.port}/${hash}`)
}
