import { once } from 'node:events'
import { readdirSync, statSync, utimesSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeLinkDumpRequest } from '../netlink/message.ts'
import { buildRawsock } from './build.ts'
import { AF_NETLINK, netlinkAddress, SOCK_RAW, SOL_SOCKET } from './linux.ts'
import { openRawSocket, type RawSocket } from './rawsock.ts'

// Netlink sockets need no privilege, so all of this runs anywhere on Linux.
const supported = process.platform === 'linux'
if (!supported) process.stderr.write('speaker/rawsock/rawsock.net.test.ts is skipped: this is not Linux\n')

const SO_RCVBUF = 8

interface Addon {
  [call: string]: (...parameters: unknown[]) => unknown
}

describe.skipIf(!supported)('rawsock', () => {
  let addon: Addon
  beforeAll(async () => {
    addon = createRequire(import.meta.url)(await buildRawsock()) as Addon
  })

  test('is built once, and again when its source is newer', async () => {
    const file = await buildRawsock()
    const built = statSync(file).mtimeMs
    expect(statSync(await buildRawsock()).mtimeMs).toBe(built)
    utimesSync(file, new Date(0), new Date(0))
    expect(statSync(await buildRawsock()).mtimeMs).toBeGreaterThan(built)
  })

  test('says what to install where there is no compiler', async () => {
    const file = await buildRawsock()
    const compiler = process.env['CC']
    utimesSync(file, new Date(0), new Date(0))
    process.env['CC'] = 'no-such-compiler'
    try {
      await expect(buildRawsock()).rejects.toThrow(
        /no compiler "no-such-compiler" here. Install one .*apt-get install gcc/,
      )
    } finally {
      if (compiler === undefined) delete process.env['CC']
      else process.env['CC'] = compiler
      await buildRawsock()
    }
  })

  test('sends, and hands over what arrives', async () => {
    const socket = openRawSocket(AF_NETLINK, SOCK_RAW, 0)
    socket.bind(netlinkAddress(0))
    const arrived = new Promise<{ data: number; from: number; truncated: boolean }>(resolve => {
      socket.receive({
        dataSize: 16_384,
        slots: 4,
        onDatagram: ({ data, from, truncated }) => resolve({ data: data.length, from: from.length, truncated }),
        onError: code => expect.unreachable(code),
      })
    })
    expect(socket.send(encodeLinkDumpRequest(1), netlinkAddress(0))).toBe(true)
    const { data, from, truncated } = await arrived
    expect(data).toBeGreaterThan(100)
    expect({ from, truncated }).toEqual({ from: 12, truncated: false })
    socket.close()
    socket.close()
  })

  test('says that a datagram was longer than its slot', async () => {
    const socket = openRawSocket(AF_NETLINK, SOCK_RAW, 0)
    const arrived = new Promise<{ length: number; truncated: boolean }>(resolve => {
      socket.receive({
        dataSize: 64,
        slots: 1,
        onDatagram: ({ data, truncated }) => resolve({ length: data.length, truncated }),
        onError: () => {},
      })
    })
    socket.send(encodeLinkDumpRequest(1), netlinkAddress(0))
    expect(await arrived).toEqual({ length: 64, truncated: true })
    socket.close()
  })

  test('hands over nothing more once a datagram made its reader close the socket', async () => {
    const socket = openRawSocket(AF_NETLINK, SOCK_RAW, 0)
    let count = 0
    const closed = new Promise<void>(resolve => {
      socket.receive({
        dataSize: 16_384,
        slots: 8,
        onDatagram() {
          count++
          socket.close()
          resolve()
        },
        onError: () => {},
      })
    })
    socket.send(encodeLinkDumpRequest(1), netlinkAddress(0))
    await closed
    await new Promise(resolve => setImmediate(resolve))
    expect(count).toBe(1)
  })

  test('the kernel’s refusals have the names of their errnos', () => {
    expect(() => openRawSocket(77, SOCK_RAW, 0)).toThrow(expect.objectContaining({ code: 'EAFNOSUPPORT' }))
    const socket = openRawSocket(AF_NETLINK, SOCK_RAW, 0)
    expect(() => socket.bind(new Uint8Array(1))).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(() => socket.setOption(SOL_SOCKET, 9_999, 1)).toThrow(expect.objectContaining({ code: 'ENOPROTOOPT' }))
    expect(() => socket.attachFilter(new Uint8Array(8))).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    socket.setOption(SOL_SOCKET, SO_RCVBUF, 8_192)
    expect(new DataView(socket.getOption(SOL_SOCKET, SO_RCVBUF).buffer).byteLength).toBeGreaterThanOrEqual(4)
    socket.close()
    expect(() => socket.getOption(SOL_SOCKET, SO_RCVBUF)).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })

  test.each([
    ['socket', []],
    ['socket', [AF_NETLINK, SOCK_RAW]],
    ['socket', ['16', 3, 0]],
    ['socket', [16.5, 3, 0]],
    ['close', []],
    ['close', [Number.NaN]],
    ['bind', ['fd']],
    ['bind', ['fd', 'sockaddr']],
    ['bind', ['fd', new Uint16Array(4)]],
    ['setsockopt', ['fd', 1, 8]],
    ['setsockopt', ['fd', 1, 8, 4_096]],
    ['setsockopt', ['fd', 1, 26, new Uint8Array(16)]], // SO_ATTACH_FILTER takes a pointer
    ['setsockopt', ['fd', 1, 51, new Uint8Array(16)]], // SO_ATTACH_REUSEPORT_CBPF too
    ['getsockopt', ['fd', 1]],
    ['attachFilter', ['fd', new Uint8Array(7)]],
    ['attachFilter', ['fd', new Uint8Array(8 * 4_097)]],
    ['send', ['fd', new Uint8Array(4)]],
    ['send', ['fd', null, new Uint8Array(12)]],
    ['receive', ['fd', 0, 64, 0, () => {}]],
    ['receive', ['fd', 1_025, 64, 0, () => {}]],
    ['receive', ['fd', 1, 65, 0, () => {}]],
    ['receive', ['fd', 1, 131_072, 0, () => {}]],
    ['receive', ['fd', 1, 64, -8, () => {}]],
    ['receive', ['fd', 1, 64, 0]],
    ['receive', ['fd', 1, 64, 0, 'callback']],
  ] as const)('bad arguments throw a TypeError: %s(%j)', (call, parameters) => {
    const fd = addon['socket']?.(AF_NETLINK, SOCK_RAW, 0)
    const given = parameters.map(parameter => (parameter === 'fd' ? fd : parameter))
    expect(() => addon[call]?.(...given)).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
    )
    addon['close']?.(fd)
  })

  test('descriptors that it did not open are out of reach', () => {
    for (const call of ['close', 'bind', 'setsockopt', 'getsockopt', 'attachFilter', 'send', 'receive']) {
      for (const fd of [0, 1, 2, -1, 5, 1_000_000]) {
        expect(() => addon[call]?.(fd, 1, 2, 3, () => {})).toThrow(expect.objectContaining({ code: 'EBADF' }))
      }
    }
  })

  test('opening and closing leaves no descriptor behind', async () => {
    const before = openDescriptors()
    for (let round = 0; round < 200; round++) for (const socket of [opened(true), opened(false)]) socket.close()
    await new Promise(resolve => setImmediate(resolve))
    expect(openDescriptors()).toBe(before)
  })

  test('a thread that ends takes its sockets along, however it ends', async () => {
    const program = new URL('../../test/wire/rawsock-worker.ts', import.meta.url)
    const settled = await descriptorsAround(async () => {
      for (let round = 0; round < 10; round++) {
        const worker = new Worker(program)
        await once(worker, 'message')
        await worker.terminate()
      }
    })
    expect(settled.after).toBe(settled.before)
  })

  test('a buffer that was transferred away is an error, not a crash', async () => {
    const fd = addon['socket']?.(AF_NETLINK, SOCK_RAW, 0)
    const result = new Promise<number>(resolve => {
      const buffer = addon['receive']?.(fd, 1, 64, 0, resolve) as ArrayBuffer
      structuredClone(buffer, { transfer: [buffer] })
    })
    addon['send']?.(fd, encodeLinkDumpRequest(1), netlinkAddress(0))
    expect(await result).toBe(-14) // EFAULT
    addon['close']?.(fd)
  })

  test('a socket receives for one reader only', () => {
    const socket = openRawSocket(AF_NETLINK, SOCK_RAW, 0)
    const receive = (): void => socket.receive({ dataSize: 64, slots: 1, onDatagram: () => {}, onError: () => {} })
    receive()
    expect(receive).toThrow(expect.objectContaining({ code: 'EALREADY' }))
    socket.close()
  })
})

function opened(receiving: boolean): RawSocket {
  const socket = openRawSocket(AF_NETLINK, SOCK_RAW, 0)
  if (receiving) socket.receive({ dataSize: 4_096, slots: 4, onDatagram: () => {}, onError: () => {} })
  return socket
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

/** The first round also opens what the process keeps, so it is not counted. */
async function descriptorsAround(work: () => Promise<void>): Promise<{ before: number; after: number }> {
  await work()
  const before = openDescriptors()
  await work()
  return { before, after: openDescriptors() }
}
