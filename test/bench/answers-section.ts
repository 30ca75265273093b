import { measureAnswers } from './answers.ts'
import { number, table } from './report.ts'

/** ARP and NDP answers of the wire thread beside those of the kernel for an address of its own. */
export async function answersSection(options: {
  readonly quick: boolean
  readonly progress: (line: string) => void
}): Promise<string> {
  const measured = await measureAnswers(options)
  const rows = measured.map(({ protocol, answerer, requests, unanswered, p50Micros, p99Micros }) => [
    protocol,
    answerer,
    number(requests),
    number(unanswered),
    `${number(p50Micros)} µs`,
    `${number(p99Micros)} µs`,
  ])
  return `## Answers: ARP and NDP beside the kernel's own

A client asks, over a veth pair, for an announced address and for one that the node's kernel owns; the two take turns.
The time is the asker's, from its request to the answer.

${table(['protocol', 'who answers', 'requests', 'unanswered', 'p50', 'p99'], rows)}
`
}
