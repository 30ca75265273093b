/** A 48-bit Ethernet address, as its six octets. */
export type MacAddress = Uint8Array

export const broadcastMac: MacAddress = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
export const zeroMac: MacAddress = new Uint8Array(6)

/** Six pairs of hexadecimal digits joined by colons, or undefined. */
export function parseMac(text: string): MacAddress | undefined {
  if (!/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/.test(text)) return undefined
  return Uint8Array.from(text.split(':'), pair => Number.parseInt(pair, 16))
}

/** Lower-case pairs joined by colons. */
export function formatMac(mac: MacAddress): string {
  return Array.from(mac, octet => octet.toString(16).padStart(2, '0')).join(':')
}

export function sameMac(one: MacAddress, other: MacAddress): boolean {
  return one.length === other.length && one.every((octet, index) => octet === other[index])
}

/** Where an IPv6 multicast packet goes on Ethernet: 33:33 and the group's last 32 bits (RFC 2464 §7). */
export function multicastMacForIPv6(group: Uint8Array): MacAddress {
  return Uint8Array.of(0x33, 0x33, group[12] ?? 0, group[13] ?? 0, group[14] ?? 0, group[15] ?? 0)
}
