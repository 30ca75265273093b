/**
 * The smallest BGP router: it takes every connection, answers an OPEN with one of its own, and tells its parent when a
 * prefix that it was asked to watch for is withdrawn. `node witness-process.ts ADDRESS AS`.
 */
import { createServer, type Socket } from 'node:net'
import { takeFrames } from '../../../speaker/bgp/framer.ts'
import { decodeMessage, encodeMessage, type Message } from '../../../speaker/bgp/message.ts'
import { noOctets } from '../../../speaker/bgp/octets.ts'
import { twoOctetAs } from '../../../speaker/bgp/open.ts'
import { formatPrefix } from '../../../speaker/bgp/route.ts'
import type { Update } from '../../../speaker/bgp/update.ts'
import { machineMs } from './clock.ts'

/** What to wait for. */
export interface ToWitness {
  readonly prefix: string
}

/** Undefined once, when it listens; then the moment (`machineMs`) at which what was waited for came. */
export interface FromWitness {
  readonly atMs?: number
}

const keepaliveMs = 10_000

const [address = '', ownAs = ''] = process.argv.slice(2)
const tell = (message: FromWitness): void => void process.send?.(message)
let awaited: string | undefined
process.on('message', ({ prefix }: ToWitness) => {
  awaited = prefix
})

createServer(serve).listen(179, address, () => tell({}))

function serve(socket: Socket): void {
  let rest: Uint8Array = noOctets
  let context: { readonly fourOctetAs: boolean; readonly internal: boolean } | undefined
  const say = (message: Message): void => void socket.write(encodeMessage(message, { fourOctetAs: true }))
  const keepalive = setInterval(() => context && say({ kind: 'keepalive' }), keepaliveMs)
  socket.on('error', () => {})
  socket.on('close', () => clearInterval(keepalive))
  socket.on('data', (chunk: Uint8Array) => {
    const atMs = machineMs()
    const framed = takeFrames(rest, chunk)
    rest = framed.rest
    for (const frame of framed.frames) {
      // Nobody is watched: an announcer that is measured otherwise must not wait for this process.
      if (frame.kind === 'update' && !awaited) continue
      const message = decodeMessage(frame, context)
      if (!message.ok) throw new Error(`a malformed ${frame.kind}`)
      if (message.value.kind === 'open') {
        context = { fourOctetAs: true, internal: false }
        say(ownOpen())
        say({ kind: 'keepalive' })
      }
      if (message.value.kind === 'update') look(message.value.update, atMs)
    }
  })
}

function ownOpen(): Message {
  const as = Number(ownAs)
  const capabilities = [
    { kind: 'multiprotocol', afi: 1, safi: 1 },
    { kind: 'fourOctetAs', as },
  ] as const
  // The last two octets of its address make it unique.
  const bgpIdentifier = Number(address.split('.').at(-1)) + 0x0a000000
  return { kind: 'open', open: { myAs: twoOctetAs(as), holdTimeSeconds: 90, bgpIdentifier, capabilities } }
}

function look({ withdrawn }: Update, atMs: number): void {
  if (!withdrawn.some(prefix => formatPrefix(prefix) === awaited)) return
  awaited = undefined
  tell({ atMs })
}
