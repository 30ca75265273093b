import { readFileSync } from 'node:fs'

/**
 * How the kernel of this node checks where IPv4 packets of an interface come from (rp_filter): the larger of what is set for
 * the interface and for all of them counts. Undefined where the interface has gone meanwhile.
 */
export function reversePathFilterOf(name: string, folder = '/proc/sys/net/ipv4/conf'): number | undefined {
  try {
    return Math.max(...['all', name].map(one => Number(readFileSync(`${folder}/${one}/rp_filter`, 'utf8'))))
  } catch {
    return undefined
  }
}
