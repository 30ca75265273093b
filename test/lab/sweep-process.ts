/**
 * Run inside a client's namespace: asks many addresses again and again, by a TCP connection or a datagram each, and holds some
 * connections open. Its targets come by standard input as JSON; when that ends it tells what it has seen, and ends.
 *
 *     node sweep-process.ts EVERY_MS
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import type { SweepReport, SweepTarget } from './sweep.ts'

const everyMs = Number(process.argv[2])
/** What is not answered within this time is lost. */
const lostAfterMs = 900

interface Watched extends SweepTarget {
  /** In the order in which they were asked. */
  readonly questions: Question[]
}

interface Question {
  readonly atMs: number
  answered: boolean
}

const watched: Watched[] = []
const kept: { readonly address: string; broken: string | undefined; lines: number }[] = []

function askByTcp(one: Watched, question: Question): void {
  const socket = connect({ host: one.address, port: one.port })
  const timer = setTimeout(() => socket.destroy(), lostAfterMs)
  socket.once('connect', () => {
    question.answered = true
    clearTimeout(timer)
    socket.resetAndDestroy()
  })
  socket.on('error', () => clearTimeout(timer))
}

const udp = new Map<string, UdpSocket>()
const byUdp = new Map<string, Watched>()
for (const [family, kind] of [
  ['IPv4', 'udp4'],
  ['IPv6', 'udp6'],
] as const) {
  const socket = createSocket(kind)
  socket.on('error', () => {})
  // The answer has the question's number in it, behind the name of whoever answers.
  socket.on('message', (message, from) => {
    const number = Number(message.toString().split(' ').at(-1))
    const question = byUdp.get(`${from.address} ${from.port}`)?.questions[number]
    if (question) question.answered = true
  })
  udp.set(family, socket)
}

function ask(one: Watched): void {
  const question = { atMs: performance.now(), answered: false }
  one.questions.push(question)
  if (one.protocol === 'TCP') return askByTcp(one, question)
  const socket = udp.get(one.address.includes(':') ? 'IPv6' : 'IPv4')
  socket?.send(String(one.questions.length - 1), one.port, one.address, () => {})
}

/** From the first question that was lost to the next that was not, the longest; what is asked last may be on its way. */
function outageOf(questions: readonly Question[], untilMs: number): number {
  let longestMs = 0
  let sinceMs: number | undefined
  for (const { atMs, answered } of questions.filter(question => question.atMs < untilMs)) {
    if (!answered) sinceMs ??= atMs
    else if (sinceMs !== undefined) {
      longestMs = Math.max(longestMs, atMs - sinceMs)
      sinceMs = undefined
    }
  }
  return sinceMs === undefined ? longestMs : Math.max(longestMs, untilMs - sinceMs)
}

function hold(address: string, port: number): void {
  const one: (typeof kept)[number] = { address, broken: undefined, lines: 0 }
  kept.push(one)
  const socket = connect({ host: address, port })
  let unanswered = 0
  const talking = setInterval(() => {
    if (unanswered++ > 20) one.broken ??= 'no answer'
    socket.write('still there?\n')
  }, 200)
  socket.on('data', () => {
    one.lines++
    unanswered = 0
  })
  const over = (why: string) => (): void => {
    one.broken ??= why
    clearInterval(talking)
  }
  socket.on('error', error => over(String(error))())
  socket.on('close', over('closed'))
}

const lines = createInterface({ input: process.stdin })
for await (const line of lines) {
  if (line === 'stop') break
  const targets = JSON.parse(line) as readonly SweepTarget[]
  for (const [index, target] of targets.entries()) {
    const one: Watched = { ...target, questions: [] }
    watched.push(one)
    if (target.protocol === 'UDP') byUdp.set(`${target.address} ${target.port}`, one)
    if (target.held) hold(target.address, target.port)
    // Spread evenly, each at its own moment.
    setTimeout(
      () => {
        ask(one)
        setInterval(() => ask(one), everyMs)
      },
      (index * everyMs) / targets.length,
    )
  }
}
const untilMs = performance.now() - lostAfterMs
const reports = watched.map(({ address, port, protocol, questions }): SweepReport => {
  const own = questions.filter(({ atMs }) => atMs < untilMs)
  const lost = own.filter(question => !question.answered).length
  return { address, port, protocol, asked: own.length, lost, outageMs: outageOf(questions, untilMs) }
})
process.stdout.write(`${JSON.stringify({ reports, kept })}\n`, () => process.exit())
