/**
 * `npm run demo`: a Service gets an address and a client reaches it, on real programs, told step by step.
 *
 *     --stay               keep everything running at the end, for a second terminal
 *     --kube-proxy MODE    nftables (default) or iptables
 */
import { parseArgs } from 'node:util'
import { createNarrator } from './narrator.ts'
import { tellStory } from './story.ts'

const help = `npm run demo [-- OPTIONS]

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
    await tellStory(narrator, { ...options, signal: giveUp.signal })
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

function readOptions(): { stay: boolean; kubeProxyMode: 'nftables' | 'iptables' } | number {
  const flags = { stay: { type: 'boolean' }, 'kube-proxy': { type: 'string' }, help: { type: 'boolean' } } as const
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
    return { stay: values.stay ?? false, kubeProxyMode }
  } catch (error) {
    narrator.failed(`${error instanceof Error ? error.message : String(error)}\n\n${help}`)
    return 2
  }
}
