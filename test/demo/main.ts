/**
 * `npm run demo`: a Service gets an address and a client reaches it, on real programs, told step by step.
 *
 *     --bgp                the story with a router before the nodes, instead of the one on a segment
 *     --stay               keep everything running at the end, for a second terminal
 *     --kube-proxy MODE    nftables (default) or iptables
 */
import { parseArgs } from 'node:util'
import { tellBgpStory } from './bgp-story.ts'
import { createNarrator } from './narrator.ts'
import { tellStory } from './story.ts'

const help = `npm run demo [-- OPTIONS]

  --bgp                with a router before the nodes (FRR): sessions, several ways to one address, BFD
  --stay               keep everything running at the end, and say how to look at it from a second terminal
  --kube-proxy MODE    nftables (default) or iptables
  --help               this text`

const narrator = createNarrator(process.stdout)
const giveUp = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => giveUp.abort(new Error('interrupted')))
}

process.exitCode = await main()

async function main(): Promise<number> {
  const options = readOptions()
  if (typeof options === 'number') return options
  try {
    const tell = options.bgp ? tellBgpStory : tellStory
    await tell(narrator, { ...options, signal: giveUp.signal })
    return 0
  } catch (error) {
    if (giveUp.signal.aborted) {
      narrator.say('Stopped. Everything that was started has ended, and nothing is left behind.')
      return 130
    }
    narrator.failed(error instanceof Error ? error.message : String(error))
    if (process.env['DEBUG'] && error instanceof Error) narrator.output(error.stack ?? '')
    return 1
  }
}

interface Options {
  readonly bgp: boolean
  readonly stay: boolean
  readonly kubeProxyMode: 'nftables' | 'iptables'
}

function readOptions(): Options | number {
  const boolean = { type: 'boolean' } as const
  const flags = { bgp: boolean, stay: boolean, 'kube-proxy': { type: 'string' }, help: boolean } as const
  try {
    const { values } = parseArgs({ options: flags })
    if (values.help) {
      console.log(help)
      return 0
    }
    const kubeProxyMode = values['kube-proxy'] ?? 'nftables'
    if (kubeProxyMode !== 'nftables' && kubeProxyMode !== 'iptables') {
      throw new Error(`--kube-proxy is nftables or iptables, not ${kubeProxyMode}.`)
    }
    return { bgp: values.bgp ?? false, stay: values.stay ?? false, kubeProxyMode }
  } catch (error) {
    narrator.failed(`${error instanceof Error ? error.message : String(error)}\n\n${help}`)
    return 2
  }
}
