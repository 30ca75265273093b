import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

/*
 * A real Chromium without a window, driven by its DevTools protocol over Node's own WebSocket: just enough of it to look at
 * a page, press keys and read what it complains about. Each has a profile of its own, which goes with it.
 */

/** A browser that runs until it is disposed of. */
export interface Browser extends AsyncDisposable {
  open(options?: TabOptions): Promise<Tab>
}

export interface TabOptions {
  readonly width?: number
  readonly height?: number
  readonly colorScheme?: 'light' | 'dark'
}

/** One tab. */
export interface Tab {
  go(url: string): Promise<void>
  /** The value of an expression, which may be a promise, as JSON. */
  evaluate<T>(expression: string): Promise<T>
  /** Resolves with the value once the expression is true enough. */
  until<T>(expression: string, timeoutMs?: number): Promise<T>
  /** Presses a key as a person would: `/`, `Tab`, `ArrowDown`, `Enter`, `x`. */
  press(...keys: readonly string[]): Promise<void>
  type(text: string): Promise<void>
  /** Writes what is to be seen as PNG. */
  picture(path: string): Promise<void>
  send(method: string, parameters?: object): Promise<unknown>
  /** What the console was told as an error or a warning, and exceptions that nobody caught. */
  readonly complaints: readonly string[]
  /** Where it has asked for anything. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly sessionId?: string
  readonly params?: Readonly<Record<string, unknown>>
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** The program, or undefined where there is none. */
export function findChromium(): string | undefined {
  const given = process.env['CHROMIUM']
  if (given) return given
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders
    .flatMap(folder => ['chromium', 'chromium-browser', 'google-chrome'].map(name => join(folder, name)))
    .find(path => existsSync(path))
}

export async function startChromium(program: string): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), 'berth-chromium-'))
  const flags = [
    '--headless=new',
    '--remote-debugging-port=0',
    `--user-data-dir=${profile}`,
    // A container has neither the rights for its sandbox nor room in /dev/shm; what it opens is ours alone.
    '--no-sandbox',
    '--disable-dev-shm-usage',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--lang=en',
    'about:blank',
  ]
  const child = spawn(program, flags, { stdio: 'ignore', detached: true })
  const end = (): void => endGroup(child)
  process.once('exit', end)
  try {
    const socket = await connect(join(profile, 'DevToolsActivePort'), child)
    const protocol = speak(socket)
    return {
      open: options => openTab(protocol, options),
      async [Symbol.asyncDispose]() {
        socket.close()
        end()
        process.off('exit', end)
        if (child.exitCode === null && child.signalCode === null)
          await new Promise(resolve => child.once('exit', resolve))
        await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
      },
    }
  } catch (error) {
    end()
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
    throw error
  }
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    // Its children are in its group.
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}

/** Chromium writes where it listens into a file of its profile. */
async function connect(file: string, child: ChildProcess): Promise<WebSocket> {
  const giveUpAt = performance.now() + 30_000
  while (performance.now() < giveUpAt) {
    if (child.exitCode !== null) throw new Error(`chromium has ended with code ${child.exitCode}`)
    const [port, path] = (await readFile(file, 'utf8').catch(() => '')).split('\n')
    if (port && path) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`)
      await new Promise((resolve, reject) => {
        socket.addEventListener('open', resolve)
        socket.addEventListener('error', () => reject(new Error('chromium does not speak the DevTools protocol')))
      })
      return socket
    }
    await delay(25)
  }
  throw new Error('chromium does not say where it listens')
}

interface Protocol {
  send(method: string, parameters?: object, session?: string): Promise<unknown>
  listen(session: string, listener: (method: string, parameters: Readonly<Record<string, unknown>>) => void): void
}

function speak(socket: WebSocket): Protocol {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  const listeners = new Map<string, (method: string, parameters: Readonly<Record<string, unknown>>) => void>()
  let nextId = 1
  socket.addEventListener('message', ({ data }) => {
    const { id, method, sessionId = '', params = {}, result, error } = JSON.parse(String(data)) as Message
    if (id === undefined) return listeners.get(sessionId)?.(method ?? '', params)
    const one = waiting.get(id)
    waiting.delete(id)
    if (error) one?.reject(new Error(error.message))
    else one?.resolve(result)
  })
  socket.addEventListener('close', () => {
    for (const one of waiting.values()) one.reject(new Error('chromium has gone'))
    waiting.clear()
  })
  return {
    listen: (session, listener) => void listeners.set(session, listener),
    send(method, parameters = {}, sessionId) {
      const id = nextId++
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      waiting.set(id, { resolve, reject })
      socket.send(JSON.stringify({ id, method, params: parameters, sessionId }))
      return promise
    },
  }
}

async function openTab(protocol: Protocol, options: TabOptions = {}): Promise<Tab> {
  const { width = 1440, height = 900, colorScheme = 'light' } = options
  const { browserContextId } = (await protocol.send('Target.createBrowserContext')) as { browserContextId: string }
  const made = await protocol.send('Target.createTarget', { url: 'about:blank', browserContextId })
  const { targetId } = made as { targetId: string }
  const attached = await protocol.send('Target.attachToTarget', { targetId, flatten: true })
  const { sessionId } = attached as { sessionId: string }
  const send = (method: string, parameters?: object): Promise<unknown> => protocol.send(method, parameters, sessionId)
  const complaints: string[] = []
  const requests: string[] = []
  protocol.listen(sessionId, (method, parameters) => note(method, parameters, complaints, requests))
  for (const domain of ['Page', 'Runtime', 'Log', 'Network', 'Audits']) await send(`${domain}.enable`)
  await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
  await send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: colorScheme }] })

  async function evaluate<T>(expression: string): Promise<T> {
    const answer = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    const { result, exceptionDetails } = answer as {
      result: { value?: T }
      exceptionDetails?: { text: string; exception?: { description?: string } }
    }
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value as T
  }

  return {
    complaints,
    requests,
    send,
    evaluate,
    async go(url) {
      await send('Page.navigate', { url })
    },
    async until<T>(expression: string, timeoutMs = 20_000): Promise<T> {
      const giveUpAt = performance.now() + timeoutMs
      let last = ''
      while (performance.now() < giveUpAt) {
        const value = await evaluate<T>(expression).catch((error: unknown) => void (last = String(error)))
        if (value) return value
        await delay(20)
      }
      const text = await evaluate<string>('document.body.innerText.slice(0, 1500)').catch(() => '')
      throw new Error(`not within ${timeoutMs} ms: ${expression}\n${last}\n${text}`)
    },
    async press(...keys) {
      for (const key of keys) {
        const text = key === 'Enter' ? '\r' : key.length === 1 ? key : undefined
        const code = { Enter: 13, Tab: 9, ArrowDown: 40, ArrowUp: 38, ArrowLeft: 37, ArrowRight: 39, Escape: 27 }[key]
        const common = { key, windowsVirtualKeyCode: code ?? key.toUpperCase().charCodeAt(0) }
        await send('Input.dispatchKeyEvent', { type: text ? 'keyDown' : 'rawKeyDown', text, ...common })
        await send('Input.dispatchKeyEvent', { type: 'keyUp', ...common })
      }
    },
    async type(text) {
      await send('Input.insertText', { text })
    },
    async picture(path) {
      const { data } = (await send('Page.captureScreenshot', { format: 'png' })) as { data: string }
      await writeFile(path, Buffer.from(data, 'base64'))
    },
    async close() {
      await protocol.send('Target.closeTarget', { targetId })
      await protocol.send('Target.disposeBrowserContext', { browserContextId })
    },
  }
}

function note(
  method: string,
  parameters: Readonly<Record<string, unknown>>,
  complaints: string[],
  requests: string[],
): void {
  switch (method) {
    case 'Network.requestWillBeSent':
      requests.push((parameters['request'] as { url: string }).url)
      return
    case 'Log.entryAdded': {
      const { level, text, url = '' } = parameters['entry'] as { level: string; text: string; url?: string }
      if (level === 'error' || level === 'warning') complaints.push(`${text} ${url}`)
      return
    }
    case 'Runtime.consoleAPICalled':
      if (parameters['type'] === 'error' || parameters['type'] === 'warning')
        complaints.push(JSON.stringify(parameters))
      return
    case 'Runtime.exceptionThrown':
    case 'Audits.issueAdded':
      complaints.push(JSON.stringify(parameters))
      return
  }
}
