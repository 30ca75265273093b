import { parseAddress } from '../net/address.ts'

/** Where the page listens. */
export interface PageAddress {
  readonly host: string
  readonly port: number
  /**
   * Only from inside the pod or the machine can it be reached, as `kubectl port-forward` does for whom the cluster lets
   * do so; elsewhere every request needs a token.
   */
  readonly isLoopback: boolean
}

/** `127.0.0.1:7474`, `[::1]:7474`, or `:7474` for every address; undefined where the text is none of these. */
export function parsePageAddress(text: string): PageAddress | undefined {
  const [, bracketed, plain, portText = ''] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? []
  const port = Number(portText)
  if (portText === '' || port > 65_535) return undefined
  if (bracketed === undefined && plain === '') return { host: '::', port, isLoopback: false }
  if (plain === 'localhost') return { host: '127.0.0.1', port, isLoopback: true }
  const address = parseAddress(bracketed ?? plain ?? '')
  if (!address || (address.family === 'IPv6') !== (bracketed !== undefined)) return undefined
  const isLoopback = address.family === 'IPv4' ? address.value >> 24n === 127n : address.value === 1n
  return { host: bracketed ?? plain ?? '', port, isLoopback }
}

/**
 * Whether a Host header names the reader's own machine. A page of somebody else's, open in the same browser, can have its
 * own name resolve to 127.0.0.1 and would then read whatever answers there without a token; its name is what gives it away.
 */
export function isOwnHost(host: string | undefined): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i.test(host ?? '')
}
