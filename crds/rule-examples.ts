import type { ConfigKind } from './config.ts'

/**
 * For each rule that concerns one object alone: a spec that keeps it, one that breaks it, and what the API server answers
 * to that. The API test applies them, the unit test parses them.
 */
export interface RuleExample {
  readonly rule: string
  readonly kind: ConfigKind
  readonly good: object
  readonly bad: object
  /** Part of the API server's answer: what to write instead. */
  readonly answer: string
  /** What parse.ts makes of the good spec where Berth has no use for what the rule is about. */
  readonly kept?: 'used in part'
  /** What parse.ts makes of the bad spec where it does not set it aside, since it is clear what is meant. */
  readonly parsed?: 'used' | 'used in part'
}

type Row = Omit<RuleExample, 'kind'>

const pool = (...addresses: string[]): object => ({ addresses })
const labels = (key: string, value: string): object => ({ matchLabels: { [key]: value } })
const expression = (expression: object): object => ({ matchExpressions: [expression] })
const peer = (fields: object): object => ({ myASN: 64512, peerASN: 64513, peerAddress: '192.0.2.1', ...fields })

const poolRules: readonly Row[] = [
  {
    rule: 'a pool has addresses',
    good: pool('192.0.2.0/24'),
    bad: pool(),
    answer: 'spec.addresses in body should have at least 1 items',
  },
  {
    rule: 'a single address has its length',
    good: pool('192.0.2.7/32', '2001:db8::7/128'),
    bad: pool('192.0.2.7'),
    answer: 'a single address needs its length; write 192.0.2.7/32',
  },
  {
    rule: 'a single IPv6 address has its length',
    good: pool('2001:db8::7/128'),
    bad: pool('2001:db8::7'),
    answer: 'a single address needs its length; write 2001:db8::7/128',
  },
  {
    rule: 'an entry is a network or a range',
    good: pool(' 192.0.2.0/24 '),
    bad: pool('example.com'),
    answer: '"example.com" is neither a network nor a range; write 192.0.2.0/24 or 192.0.2.10-192.0.2.20',
  },
  {
    rule: 'the length of an IPv4 network is at most 32',
    good: pool('192.0.2.0/32'),
    bad: pool('192.0.2.0/33'),
    answer: '"192.0.2.0/33" is not a network; write address/length, such as 192.0.2.0/24 (length 0 to 32)',
  },
  {
    rule: 'the length of an IPv6 network is at most 128',
    good: pool('2001:db8::/128'),
    bad: pool('2001:db8::/129'),
    answer: '2001:db8::/64 (length 0 to 128)',
  },
  {
    rule: 'an octet is at most 255',
    good: pool('192.0.2.255/32'),
    bad: pool('192.0.2.256/32'),
    answer: '"192.0.2.256/32" is not a network',
  },
  {
    rule: 'an octet has no leading zero',
    good: pool('10.0.0.0/8'),
    bad: pool('010.0.0.0/8'),
    answer: 'without leading zeros',
  },
  {
    rule: 'both ends of a range are addresses',
    good: pool('192.0.2.10 - 192.0.2.20'),
    bad: pool('192.0.2.10-20'),
    answer: '"192.0.2.10-20" is not a range; write its first and last address with a hyphen between, such as',
  },
  {
    rule: 'a range has two ends',
    good: pool('192.0.2.1-192.0.2.1'),
    bad: pool('192.0.2.1-192.0.2.2-192.0.2.3'),
    answer: '"192.0.2.1-192.0.2.2-192.0.2.3" is not a range',
  },
  {
    rule: 'the ends of a range are not networks',
    good: pool('192.0.2.0-192.0.2.255'),
    bad: pool('192.0.2.0/24-192.0.3.0/24'),
    answer: '"192.0.2.0/24-192.0.3.0/24" is not a range',
  },
  {
    rule: 'both ends of a range are of one family',
    good: pool('192.0.2.1-192.0.2.2', '2001:db8::1-2001:db8::2'),
    bad: pool('192.0.2.1-2001:db8::2'),
    answer: 'both ends of a range must be of one family; write the IPv4 and the IPv6 addresses as two entries',
  },
  {
    rule: 'an IPv4 range begins with its lower end',
    good: pool('192.0.2.9-192.0.2.10'),
    bad: pool('192.0.2.10-192.0.2.9'),
    answer: 'the first address is above the last; write 192.0.2.9-192.0.2.10',
  },
  {
    rule: 'an IPv4 range begins with its lower end, by the number and not by the text',
    good: pool('9.255.255.255-10.0.0.0'),
    bad: pool('10.0.0.0-9.255.255.255'),
    answer: 'write 9.255.255.255-10.0.0.0',
  },
  {
    rule: 'an IPv6 range begins with its lower end',
    good: pool('2001:db8::9-2001:db8::10'),
    bad: pool('2001:db8::10-2001:db8::9'),
    answer: 'the first address is above the last; write 2001:db8::9-2001:db8::10',
  },
  {
    rule: 'an IPv6 range begins with its lower end, however it is abbreviated',
    good: pool('::1-2001:DB8::', 'fe80::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db8:0:0::1-2001:db8::0:0:1:0'),
    bad: pool('2001:db8::1:0:0 - 2001:0db8:0:0:0:0:ffff:ffff'),
    answer: 'write 2001:0db8:0:0:0:0:ffff:ffff-2001:db8::1:0:0',
  },
  {
    rule: 'an IPv6 range begins with its lower end, to the first and to the last bit',
    good: pool('::-8000::', 'ffff::fffe-ffff::ffff'),
    bad: pool('8000::-::'),
    answer: 'write ::-8000::',
  },
  {
    rule: 'an IPv6 range begins with its lower end, also where the ends are neighbours',
    good: pool('2001:db8::fffe-2001:db8::ffff'),
    bad: pool('2001:db8::ffff-2001:db8::fffe'),
    answer: 'write 2001:db8::fffe-2001:db8::ffff',
  },
  {
    rule: 'no entry stands twice',
    good: pool('192.0.2.0/25', '192.0.2.128/25'),
    bad: pool('192.0.2.0/25', '198.51.100.0/24', '192.0.2.0/25'),
    answer: '"192.0.2.0/25" stands here twice; write each network or range once',
    parsed: 'used in part',
  },
  {
    rule: 'addresses are given',
    good: pool('192.0.2.0/24'),
    bad: {},
    answer: 'spec.addresses: Required value',
  },
  {
    rule: 'whether conflicts are avoided is true or false',
    good: { ...pool('192.0.2.0/24'), avoidConflicts: true },
    bad: { ...pool('192.0.2.0/24'), avoidConflicts: 'always' },
    answer: 'spec.avoidConflicts in body must be of type boolean',
  },
  {
    rule: 'a priority is a whole number',
    good: { ...pool('192.0.2.0/24'), serviceAllocation: { priority: 1 } },
    bad: { ...pool('192.0.2.0/24'), serviceAllocation: { priority: 'high' } },
    answer: 'spec.serviceAllocation.priority in body must be of type integer',
  },
  {
    rule: 'no namespace stands twice',
    good: { ...pool('192.0.2.0/24'), serviceAllocation: { namespaces: ['one', 'two'] } },
    bad: { ...pool('192.0.2.0/24'), serviceAllocation: { namespaces: ['one', 'one'] } },
    answer: 'Duplicate value: "one"',
  },
  {
    rule: 'a namespace is a name',
    good: { ...pool('192.0.2.0/24'), serviceAllocation: { namespaces: ['team-a'] } },
    bad: { ...pool('192.0.2.0/24'), serviceAllocation: { namespaces: ['team-*'] } },
    answer: 'write the name of a namespace, lower case letters, digits and hyphens only',
    parsed: 'used',
  },
  {
    rule: 'no selector stands twice',
    good: { ...pool('192.0.2.0/24'), serviceAllocation: { serviceSelectors: [labels('a', '1'), labels('a', '2')] } },
    bad: { ...pool('192.0.2.0/24'), serviceAllocation: { serviceSelectors: [labels('a', '1'), labels('a', '1')] } },
    answer: 'a selector stands here twice; write it once',
    parsed: 'used',
  },
]

const selectorRules: readonly RuleExample[] = [
  {
    rule: 'a label key is a qualified name',
    good: labels('topology.kubernetes.io/zone', 'a'),
    bad: labels('a b', 'c'),
    answer: 'a label key is a name such as app, or prefix/name such as topology.kubernetes.io/zone',
  },
  {
    rule: 'the name in a label key has at most 63 characters',
    good: labels('a'.repeat(63), 'c'),
    bad: labels('a'.repeat(64), 'c'),
    answer: 'a label key is a name such as app',
  },
  {
    rule: 'a label value begins and ends with a letter or digit',
    good: labels('app', 'web_1.2-3'),
    bad: labels('app', '-web'),
    answer: "a label value has letters, digits, '-', '_' and '.', and begins and ends with a letter or digit",
  },
  {
    rule: 'a label value may be empty, and has no space',
    good: labels('app', ''),
    bad: labels('app', 'my web'),
    answer: 'a label value has letters',
  },
  {
    rule: 'an operator is one of four',
    good: expression({ key: 'app', operator: 'Exists' }),
    bad: expression({ key: 'app', operator: 'Gt', values: ['1'] }),
    answer: 'supported values: "In", "NotIn", "Exists", "DoesNotExist"',
  },
  {
    rule: 'an expression has a key',
    good: expression({ key: 'app', operator: 'Exists' }),
    bad: expression({ operator: 'Exists' }),
    answer: 'matchExpressions[0].key: Required value',
  },
  {
    rule: 'the key of an expression is a qualified name',
    good: expression({ key: 'example.com/app', operator: 'Exists' }),
    bad: expression({ key: 'Example.com/app', operator: 'Exists' }),
    answer: 'a label key is a name such as app',
  },
  {
    rule: 'In has values',
    good: expression({ key: 'app', operator: 'In', values: ['web'] }),
    bad: expression({ key: 'app', operator: 'In' }),
    answer: 'In and NotIn need at least one of values; to ask only whether the label is there write Exists',
  },
  {
    rule: 'NotIn has values',
    good: expression({ key: 'app', operator: 'NotIn', values: [''] }),
    bad: expression({ key: 'app', operator: 'NotIn', values: [] }),
    answer: 'In and NotIn need at least one of values',
  },
  {
    rule: 'Exists has no values',
    good: expression({ key: 'app', operator: 'DoesNotExist', values: [] }),
    bad: expression({ key: 'app', operator: 'Exists', values: ['web'] }),
    answer: 'Exists and DoesNotExist take no values; remove them, or write In or NotIn',
  },
  {
    rule: 'the value of an expression is a label value',
    good: expression({ key: 'app', operator: 'In', values: ['a', 'b.c'] }),
    bad: expression({ key: 'app', operator: 'In', values: ['a', 'b.'] }),
    answer: 'a label value has letters',
  },
].flatMap(({ good, bad, ...row }) => [
  { ...row, kind: 'L2Advertisement', good: { nodeSelectors: [good] }, bad: { nodeSelectors: [bad] } } as const,
  {
    ...row,
    kind: 'IPAddressPool',
    good: { ...pool('192.0.2.0/24'), serviceAllocation: { namespaceSelectors: [good] } },
    bad: { ...pool('192.0.2.0/24'), serviceAllocation: { namespaceSelectors: [bad] } },
  } as const,
])

const layer2Rules: readonly Row[] = [
  {
    rule: 'no pool is named twice',
    good: { ipAddressPools: ['one', 'two'] },
    bad: { ipAddressPools: ['one', 'one'] },
    answer: 'Duplicate value: "one"',
  },
  {
    rule: 'the name of a pool is a name',
    good: { ipAddressPools: ['first.pool-1'] },
    bad: { ipAddressPools: ['First Pool'] },
    answer: 'write the name of an IPAddressPool',
    parsed: 'used',
  },
  {
    rule: 'an interface is named exactly',
    good: { interfaces: ['eth0', 'bond0.100', 'br-lan'] },
    bad: { interfaces: ['eth0/1'] },
    answer: 'write the exact name of an interface as `ip link` shows it',
    parsed: 'used',
  },
  {
    rule: 'the name of an interface fits the kernel',
    good: { interfaces: ['enp0s31f6np0ab1'] },
    bad: { interfaces: ['enp0s31f6np0abc1'] },
    answer: 'Too long: may not be more than 15',
    parsed: 'used',
  },
  {
    rule: 'no interface is named twice',
    good: { interfaces: ['eth0', 'eth1'] },
    bad: { interfaces: ['eth0', 'eth0'] },
    answer: 'Duplicate value: "eth0"',
  },
  {
    rule: 'a preference weighs 1 to 100',
    good: { preferredNodeSelectors: [{ weight: 100, preference: labels('rack', 'a') }] },
    bad: { preferredNodeSelectors: [{ weight: 101, preference: labels('rack', 'a') }] },
    answer: 'weight in body should be less than or equal to 100',
  },
  {
    rule: 'a preference weighs something',
    good: { preferredNodeSelectors: [{ weight: 1, preference: labels('rack', 'a') }] },
    bad: { preferredNodeSelectors: [{ preference: labels('rack', 'a') }] },
    answer: 'preferredNodeSelectors[0].weight: Required value',
  },
  {
    rule: 'a preference says what it prefers',
    good: { preferredNodeSelectors: [{ weight: 1, preference: {} }] },
    bad: { preferredNodeSelectors: [{ weight: 1 }] },
    answer: 'preferredNodeSelectors[0].preference: Required value',
  },
  {
    rule: 'load is shared per client or not at all',
    good: { loadSharing: 'perClient' },
    bad: { loadSharing: 'perPacket' },
    answer: 'Unsupported value: "perPacket"',
  },
]

const bgpAdvertisementRules: readonly Row[] = [
  {
    rule: 'aggregationLength is at most 32',
    good: { aggregationLength: 32 },
    bad: { aggregationLength: 33 },
    answer: 'aggregationLength in body should be less than or equal to 32',
  },
  {
    rule: 'aggregationLength is at least 1',
    good: { aggregationLength: 1 },
    bad: { aggregationLength: 0 },
    answer: 'aggregationLength in body should be greater than or equal to 1',
  },
  {
    rule: 'aggregationLengthV6 is at most 128',
    good: { aggregationLengthV6: 128 },
    bad: { aggregationLengthV6: 129 },
    answer: 'aggregationLengthV6 in body should be less than or equal to 128',
  },
  {
    rule: 'localPref has 32 bits',
    good: { localPref: 4294967295 },
    bad: { localPref: 4294967296 },
    answer: 'localPref in body should be less than or equal to 4294967295',
  },
  {
    rule: 'a community has halves of 16 bits',
    good: { communities: ['65535:65535', '0:0'] },
    bad: { communities: ['65536:1'] },
    answer: 'this is not a community; write 65000:100 (two numbers up to 65535)',
  },
  {
    rule: 'a large community has parts of 32 bits',
    good: { communities: ['large:4294967295:0:4294967295'] },
    bad: { communities: ['large:4294967296:0:0'] },
    answer: 'or large:65000:1:2 (three numbers up to 4294967295), or the alias that a Community defines',
  },
  {
    rule: 'a large community has three parts',
    good: { communities: ['large:1:2:3'] },
    bad: { communities: ['large:1:2'] },
    answer: 'this is not a community',
  },
  {
    rule: 'a large community says that it is one',
    good: { communities: ['no-export'] },
    bad: { communities: ['65000:1:2'] },
    answer: 'this is not a community',
  },
  {
    rule: 'no community stands twice',
    good: { communities: ['1:1', '1:2'] },
    bad: { communities: ['1:1', '1:1'] },
    answer: 'Duplicate value: "1:1"',
    parsed: 'used',
  },
  {
    rule: 'serviceSelectors go without aggregation',
    good: { serviceSelectors: [labels('app', 'web')] },
    bad: { serviceSelectors: [labels('app', 'web')], aggregationLength: 24 },
    answer: 'with serviceSelectors leave aggregationLength at 32 and aggregationLengthV6 at 128',
  },
  {
    rule: 'serviceSelectors go without aggregation of IPv6',
    good: { serviceSelectors: [labels('app', 'web')], aggregationLength: 32, aggregationLengthV6: 128 },
    bad: { serviceSelectors: [labels('app', 'web')], aggregationLengthV6: 64 },
    answer: 'with serviceSelectors leave aggregationLength at 32 and aggregationLengthV6 at 128',
  },
  {
    rule: 'med has 32 bits',
    good: { med: 4294967295 },
    bad: { med: 4294967296 },
    answer: 'med in body should be less than or equal to 4294967295',
  },
  {
    rule: 'med is not below 0',
    good: { med: 0 },
    bad: { med: -1 },
    answer: 'med in body should be greater than or equal to 0',
  },
  {
    rule: 'asPathPrepend is at most 16',
    good: { asPathPrepend: 16 },
    bad: { asPathPrepend: 17 },
    answer: 'asPathPrepend in body should be less than or equal to 16',
  },
  {
    rule: 'asPathPrepend is not below 0',
    good: { asPathPrepend: 0 },
    bad: { asPathPrepend: -1 },
    answer: 'asPathPrepend in body should be greater than or equal to 0',
  },
  {
    rule: 'an address family is IPv4 or IPv6',
    good: { addressFamilies: ['IPv6', 'IPv4'] },
    bad: { addressFamilies: ['ipv6'] },
    answer: 'supported values: "IPv4", "IPv6"',
  },
  {
    rule: 'no address family stands twice',
    good: { addressFamilies: ['IPv6'] },
    bad: { addressFamilies: ['IPv6', 'IPv6'] },
    answer: 'Duplicate value: "IPv6"',
  },
  {
    rule: 'no peer is named twice',
    good: { peers: ['one', 'two'] },
    bad: { peers: ['one', 'one'] },
    answer: 'Duplicate value: "one"',
  },
]

const peerRules: readonly Row[] = [
  {
    rule: 'myASN is given',
    good: peer({}),
    bad: { peerASN: 64513, peerAddress: '192.0.2.1' },
    answer: 'spec.myASN: Required value',
  },
  { rule: 'myASN is not 0', good: peer({ myASN: 1 }), bad: peer({ myASN: 0 }), answer: 'greater than or equal to 1' },
  {
    rule: 'an ASN has 32 bits',
    good: peer({ peerASN: 4294967295 }),
    bad: peer({ peerASN: 4294967296 }),
    answer: 'peerASN in body should be less than or equal to 4294967295',
  },
  {
    rule: 'the ASN of the router is given or learnt',
    good: peer({ peerASN: 0, dynamicASN: 'external' }),
    bad: peer({ peerASN: 0 }),
    answer: 'the ASN of the router is missing; write peerASN, or dynamicASN with the value internal or external',
  },
  {
    rule: 'the ASN of the router is given or learnt, not both',
    good: { myASN: 64512, dynamicASN: 'internal', peerAddress: '192.0.2.1' },
    bad: peer({ dynamicASN: 'external' }),
    answer: 'peerASN and dynamicASN exclude each other; keep peerASN where the ASN of the router is known',
  },
  {
    rule: 'dynamicASN is internal or external',
    good: peer({ peerASN: 0, dynamicASN: 'internal' }),
    bad: peer({ peerASN: 0, dynamicASN: 'any' }),
    answer: 'supported values: "internal", "external"',
  },
  {
    rule: 'the router is given',
    good: { myASN: 64512, peerASN: 64513, interface: 'eth1' },
    bad: { myASN: 64512, peerASN: 64513 },
    answer: 'the router is missing; write peerAddress, or interface for an unnumbered session',
  },
  {
    rule: 'the router is given by address or interface, not both',
    good: peer({ peerAddress: '', interface: 'eth1' }),
    bad: peer({ interface: 'eth1' }),
    answer: 'peerAddress and interface exclude each other; write interface only for an unnumbered session',
  },
  {
    rule: 'peerAddress is an address',
    good: peer({ peerAddress: '2001:db8::1' }),
    bad: peer({ peerAddress: 'router.example.com' }),
    answer: 'write an IPv4 or IPv6 address, without length and without zone; names are not looked up',
  },
  {
    rule: 'peerAddress is somebody',
    good: peer({ peerAddress: '127.0.0.1' }),
    bad: peer({ peerAddress: '0.0.0.0' }),
    answer: 'this address means none in particular; write the address itself',
  },
  {
    rule: 'peerAddress is not link-local',
    good: peer({ peerAddress: '169.254.1.1' }),
    bad: peer({ peerAddress: 'fe80::1' }),
    answer: 'a link-local address means nothing without its interface; write interface instead of peerAddress',
  },
  {
    rule: 'sourceAddress is an address',
    good: peer({ sourceAddress: '192.0.2.9' }),
    bad: peer({ sourceAddress: '192.0.2.9/24' }),
    answer: 'write an IPv4 or IPv6 address, without length',
  },
  {
    rule: 'sourceAddress is of the family of peerAddress',
    good: peer({ peerAddress: '2001:db8::1', sourceAddress: '2001:db8::9' }),
    bad: peer({ sourceAddress: '2001:db8::9' }),
    answer: 'sourceAddress must be of the family of peerAddress',
  },
  {
    rule: 'peerPort is a port',
    good: peer({ peerPort: 65535 }),
    bad: peer({ peerPort: 65536 }),
    answer: 'peerPort in body should be less than or equal to 65535',
  },
  {
    rule: 'a time has a unit',
    good: peer({ holdTime: '1m30s' }),
    bad: peer({ holdTime: '90' }),
    answer: 'write a duration with its unit, such as 90s or 1m30s',
  },
  {
    rule: 'a time is whole seconds',
    good: peer({ holdTime: '3000ms', keepaliveTime: '' }),
    bad: peer({ holdTime: '3500ms' }),
    answer: 'BGP counts whole seconds, at most 65535',
  },
  {
    rule: 'a time fits into 16 bits',
    good: peer({ holdTime: '65535s' }),
    bad: peer({ holdTime: '65536s' }),
    answer: 'BGP counts whole seconds, at most 65535',
  },
  {
    rule: 'a hold time is not 1 or 2 seconds',
    good: peer({ holdTime: '3s' }),
    bad: peer({ holdTime: '2s' }),
    answer: 'BGP knows no hold time of 1 or 2 seconds; write 0s for none, or at least 3s',
  },
  {
    rule: 'a keepalive time is not longer than the hold time',
    good: peer({ holdTime: '30s', keepaliveTime: '30s' }),
    bad: peer({ holdTime: '30s', keepaliveTime: '31s' }),
    answer: 'keepaliveTime must not be longer than holdTime; write a third of holdTime, or leave it out',
  },
  {
    rule: 'a keepalive time of 0 goes with a hold time of 0',
    good: peer({ holdTime: '0s', keepaliveTime: '0s' }),
    bad: peer({ holdTime: '30s', keepaliveTime: '0s' }),
    answer: 'keepaliveTime 0s would let the session time out',
  },
  {
    rule: 'a keepalive time alone leaves room for the hold time',
    good: peer({ keepaliveTime: '21845s' }),
    bad: peer({ keepaliveTime: '21846s' }),
    answer: 'write holdTime too, or keepaliveTime of at most 21845s',
  },
  {
    rule: 'a connect time is at least a second',
    good: peer({ connectTime: '1s' }),
    bad: peer({ connectTime: '0s' }),
    answer: 'write at least 1s',
  },
  {
    rule: 'a connect time is a duration',
    good: peer({ connectTime: '1m' }),
    bad: peer({ connectTime: 'soon' }),
    answer: 'write a duration with its unit, such as 10s or 1m',
  },
  {
    rule: 'routerID is an IPv4 address',
    good: peer({ routerID: '192.0.2.1' }),
    bad: peer({ routerID: '2001:db8::1' }),
    answer: 'write an IPv4 address other than 0.0.0.0, such as 192.0.2.1',
  },
  {
    rule: 'routerID is not 0.0.0.0',
    good: peer({ routerID: '' }),
    bad: peer({ routerID: '0.0.0.0' }),
    answer: 'write an IPv4 address other than 0.0.0.0',
  },
  {
    rule: 'a password stands in one place',
    good: peer({ password: 'secret', passwordSecret: {} }),
    bad: peer({ password: 'secret', passwordSecret: { name: 'router' } }),
    answer: 'password and passwordSecret exclude each other; keep passwordSecret, it is the safer one',
  },
  {
    rule: 'ebgpMultiHop is for eBGP',
    good: peer({ ebgpMultiHop: true }),
    bad: peer({ peerASN: 64512, ebgpMultiHop: true }),
    answer: 'ebgpMultiHop is for a router of another ASN; remove it',
  },
  {
    rule: 'ebgpMultiHop is for eBGP, by the ASN that the router sees',
    good: peer({ peerASN: 64512, localASN: 64999, ebgpMultiHop: true }),
    bad: peer({ localASN: 64513, ebgpMultiHop: true }),
    answer: 'ebgpMultiHop is for a router of another ASN',
  },
  {
    rule: 'ebgpMultiHop is for eBGP, also where the ASN is learnt',
    good: peer({ peerASN: 0, dynamicASN: 'external', ebgpMultiHop: true }),
    bad: peer({ peerASN: 0, dynamicASN: 'internal', ebgpMultiHop: true }),
    answer: 'ebgpMultiHop is for a router of another ASN',
  },
  {
    rule: 'ttlSecurity is for a router that is one hop away',
    good: peer({ ttlSecurity: true, ebgpMultiHop: false }),
    bad: peer({ ttlSecurity: true, ebgpMultiHop: true }),
    answer: 'ttlSecurity is for a router that is one hop away, ebgpMultiHop for one that is not; remove one of them',
  },
  {
    rule: 'a passive peer has no connectTime',
    good: peer({ passive: true, connectTime: '' }),
    bad: peer({ passive: true, connectTime: '5s' }),
    answer: 'a passive peer is never dialled, so there is no connectTime; remove it, or passive',
  },
  {
    rule: 'a passive peer has no peerPort',
    good: peer({ passive: true, peerPort: 179 }),
    bad: peer({ passive: true, peerPort: 1179 }),
    answer: 'peerPort is where the router is dialled, and a passive peer is waited for; remove peerPort, or passive',
  },
  {
    rule: 'an unnumbered session has no address of ours',
    good: { myASN: 64512, peerASN: 64513, interface: 'eth1', sourceAddress: '' },
    bad: { myASN: 64512, peerASN: 64513, interface: 'eth1', sourceAddress: '2001:db8::9' },
    answer: 'an unnumbered session is between link-local addresses; remove sourceAddress, or write peerAddress',
  },
  {
    rule: 'an unnumbered session crosses no router',
    good: { myASN: 64512, peerASN: 64513, interface: 'eth1', ebgpMultiHop: false },
    bad: { myASN: 64512, peerASN: 64513, interface: 'eth1', ebgpMultiHop: true },
    answer: 'an unnumbered session is with the other end of a cable; remove ebgpMultiHop, or write peerAddress',
  },
  {
    rule: 'an unnumbered session has both families',
    good: { myASN: 64512, peerASN: 64513, interface: 'eth1', disableMP: false },
    bad: { myASN: 64512, peerASN: 64513, interface: 'eth1', disableMP: true },
    answer: 'an unnumbered session exchanges both families; remove disableMP, or write peerAddress',
  },
  {
    rule: 'one family or both',
    good: peer({ disableMP: true }),
    bad: peer({ disableMP: true, dualStackAddressFamily: true }),
    answer: 'disableMP and dualStackAddressFamily contradict each other; remove disableMP',
  },
  {
    rule: 'the interface of an unnumbered session is named exactly',
    good: { myASN: 64512, peerASN: 64513, interface: 'bond0.7' },
    bad: { myASN: 64512, peerASN: 64513, interface: 'eth 0' },
    answer: 'write the name of an interface as `ip link` shows it',
    parsed: 'used',
  },
  {
    rule: 'a VRF is named exactly',
    good: peer({ vrf: 'red' }),
    bad: peer({ vrf: 'red/blue' }),
    answer: 'write the name of a VRF as `ip vrf` shows it',
    parsed: 'used',
  },
  {
    rule: 'a BFD profile is named',
    good: peer({ bfdProfile: 'fast' }),
    bad: peer({ bfdProfile: 'Fast!' }),
    answer: 'write the name of a BFDProfile',
    parsed: 'used',
  },
]

const bfdRules: readonly RuleExample[] = [
  { field: 'receiveInterval', min: 10, max: 60_000 },
  { field: 'transmitInterval', min: 10, max: 60_000 },
  { field: 'echoInterval', min: 10, max: 60_000, kept: 'used in part' as const },
  { field: 'detectMultiplier', min: 2, max: 255 },
  { field: 'minimumTtl', min: 1, max: 254 },
].flatMap(({ field, min, max, ...more }) => [
  {
    rule: `${field} is at least ${min}`,
    kind: 'BFDProfile',
    ...more,
    good: { [field]: min },
    bad: { [field]: min - 1 },
    answer: `${field} in body should be greater than or equal to ${min}`,
  } as const,
  {
    rule: `${field} is at most ${max}`,
    kind: 'BFDProfile',
    ...more,
    good: { [field]: max },
    bad: { [field]: max + 1 },
    answer: `${field} in body should be less than or equal to ${max}`,
  } as const,
])

const communityRules: readonly Row[] = [
  {
    rule: 'an alias has a value',
    good: { communities: [{ name: 'no-export', value: '65535:65281' }] },
    bad: { communities: [{ name: 'no-export' }] },
    answer: 'communities[0].value: Required value',
  },
  {
    rule: 'the value of an alias is a community',
    good: { communities: [{ name: 'mine', value: 'large:64512:1:2' }] },
    bad: { communities: [{ name: 'mine', value: 'no-export' }] },
    answer: 'this is not a community; write 65000:100 (two numbers up to 65535)',
  },
  {
    rule: 'an alias cannot be taken for a value',
    good: { communities: [{ name: 'blue', value: '1:1' }] },
    bad: { communities: [{ name: '2:2', value: '1:1' }] },
    answer: 'an alias has no colon and no space; write a word such as no-export',
  },
  {
    rule: 'an alias is one word',
    good: { communities: [{ name: 'no-export', value: '1:1' }] },
    bad: { communities: [{ name: 'no export', value: '1:1' }] },
    answer: 'an alias has no colon and no space',
  },
  {
    rule: 'no alias stands twice',
    good: {
      communities: [
        { name: 'one', value: '1:1' },
        { name: 'two', value: '1:1' },
      ],
    },
    bad: {
      communities: [
        { name: 'one', value: '1:1' },
        { name: 'one', value: '1:2' },
      ],
    },
    answer: 'Duplicate value: {"name":"one"}',
  },
]

function of(kind: ConfigKind, rows: readonly Row[]): readonly RuleExample[] {
  return rows.map(row => Object.assign({ kind }, row))
}

export const ruleExamples: readonly RuleExample[] = [
  ...of('IPAddressPool', poolRules),
  ...selectorRules,
  ...of('L2Advertisement', layer2Rules),
  ...of('BGPAdvertisement', bgpAdvertisementRules),
  ...of('BGPPeer', peerRules),
  ...bfdRules,
  ...of('Community', communityRules),
]
