import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getSystemErrorName } from 'node:util'
import { addonFileName } from './file-name.ts'

/** The calls of rawsock.c. They throw `Error`s whose `code` is the name of an errno, and TypeErrors. */
interface Addon {
  socket(domain: number, type: number, protocol: number): number
  close(fd: number): void
  duplicate(fd: number): number
  bind(fd: number, sockaddr: Uint8Array): void
  setsockopt(fd: number, level: number, name: number, value: Uint8Array): void
  getsockopt(fd: number, level: number, name: number): Uint8Array
  attachFilter(fd: number, program: Uint8Array): void
  send(fd: number, datagram: Uint8Array, to: Uint8Array): boolean
  receive(fd: number, slots: number, dataSize: number, controlSize: number, onBatch: OnBatch): ArrayBuffer
  schedule(policy: number, priority: number): void
}
type OnBatch = (count: number) => void

/** A socket that Node itself cannot open. Struct encoding is the caller's: addresses, options and filters are bytes. */
export interface RawSocket {
  bind(sockaddr: Uint8Array): void
  setOption(level: number, name: number, value: number | Uint8Array): void
  /** Up to 512 octets of value. */
  getOption(level: number, name: number): Uint8Array
  /** Attaches a classic BPF program or replaces the one before it, without a moment between the two. */
  attachFilter(program: Uint8Array): void
  /** Whether the datagram has left; false when a queue is full and it may be tried again. Other refusals throw. */
  send(datagram: Uint8Array, to: Uint8Array): boolean
  /** Once per socket. The process (or worker) stays alive while the socket is open. */
  receive(options: ReceiveOptions): void
  /** A second descriptor of the same socket, which the caller owns: for Node's `Socket` and `Server`. Options set here later act there too. */
  duplicate(): number
  /** Twice is once. */
  close(): void
}

export interface ReceiveOptions {
  /** The longest datagram wanted, a multiple of 8: longer ones arrive cut, with `truncated` set. */
  readonly dataSize: number
  /** Octets of control messages per datagram, a multiple of 8. */
  readonly controlSize?: number
  /** Datagrams read with one system call. */
  readonly slots: number
  /** The views are of a buffer that is used again: what outlives the call must be copied. */
  readonly onDatagram: (datagram: Datagram) => void
  /** The kernel says, by the name of an errno, that something was lost (`ENOBUFS`) or has changed (`ENETDOWN`). */
  readonly onError: (code: string) => void
}

export interface Datagram {
  readonly data: Uint8Array
  /** The sockaddr of the sender. */
  readonly from: Uint8Array
  readonly control: Uint8Array
  readonly truncated: boolean
}

const slotHeadSize = 48 // as struct Slot in rawsock.c
const nameOffset = 16
const flagTruncated = 0x20 // MSG_TRUNC

let loaded: Addon | undefined

/** By which policy and at which priority the kernel schedules the calling thread (sched_setscheduler(2)). */
export function scheduleThread(policy: number, priority: number): void {
  loaded ??= loadAddon()
  loaded.schedule(policy, priority)
}

/** Opens a socket, non-blocking and close-on-exec; all sockets of a thread are closed when it ends. */
export function openRawSocket(domain: number, type: number, protocol: number): RawSocket {
  const addon = (loaded ??= loadAddon())
  const fd = addon.socket(domain, type, protocol)
  let open = true
  return {
    bind: sockaddr => addon.bind(fd, sockaddr),
    setOption: (level, name, value) =>
      addon.setsockopt(fd, level, name, typeof value === 'number' ? nativeInt(value) : value),
    getOption: (level, name) => addon.getsockopt(fd, level, name),
    attachFilter: program => addon.attachFilter(fd, program),
    send: (datagram, to) => addon.send(fd, datagram, to),
    duplicate: () => addon.duplicate(fd),
    receive: options => startReceiving(addon, fd, options, () => open),
    close: () => {
      if (open) addon.close(fd)
      open = false
    },
  }
}

function startReceiving(addon: Addon, fd: number, options: ReceiveOptions, isOpen: () => boolean): void {
  const { slots, dataSize, controlSize = 0, onDatagram, onError } = options
  const slotSize = slotHeadSize + controlSize + dataSize
  const buffer = addon.receive(fd, slots, dataSize, controlSize, count => {
    if (count < 0) onError(getSystemErrorName(count))
    // A datagram's handler may close the socket: what came behind it in the batch is then for nobody.
    for (let index = 0; index < count && isOpen(); index++) onDatagram(datagramAt(index * slotSize))
  })
  const bytes = new Uint8Array(buffer)
  const words = new Uint32Array(buffer)
  const datagramAt = (slot: number): Datagram => {
    const word = slot / 4
    const from = slot + nameOffset
    const control = slot + slotHeadSize
    const data = control + controlSize
    return {
      data: bytes.subarray(data, data + (words[word] ?? 0)),
      from: bytes.subarray(from, from + (words[word + 1] ?? 0)),
      control: bytes.subarray(control, control + (words[word + 2] ?? 0)),
      truncated: ((words[word + 3] ?? 0) & flagTruncated) !== 0,
    }
  }
}

function nativeInt(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer)
}

/** Beside this file as the build leaves it, beside the bundle that this file became part of, or where BERTH_RAWSOCK says. */
function loadAddon(): Addon {
  if (endianness() !== 'LE') throw new Error('speaker/rawsock/linux.ts knows little-endian processors only')
  const folder = dirname(fileURLToPath(import.meta.url))
  const name = addonFileName()
  const named = process.env['BERTH_RAWSOCK']
  const places = named ? [named] : [join(folder, 'build', name), join(folder, name)]
  const place = places.find(existsSync)
  if (!place) {
    throw new Error(
      `Berth's socket addon is not built: there is no ${places.join(', nor ')}. Build it with: npm run build:rawsock`,
    )
  }
  return createRequire(import.meta.url)(place) as Addon
}
