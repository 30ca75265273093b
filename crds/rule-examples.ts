import type { ConfigKind } from './config.ts'
import { bgpAdvertisementRules, layer2Rules } from './rule-examples/advertisements.ts'
import type { Row, RuleExample } from './rule-examples/example.ts'
import { peerRules } from './rule-examples/peers.ts'
import { poolRules } from './rule-examples/pools.ts'
import { bfdRules, communityRules } from './rule-examples/profiles.ts'
import { selectorFieldRules } from './rule-examples/selectors.ts'

/** Every rule that concerns one object alone, with a spec that keeps it and one that breaks it. */
export const ruleExamples: readonly RuleExample[] = [
  ...of('IPAddressPool', poolRules),
  ...of('L2Advertisement', layer2Rules),
  ...of('BGPAdvertisement', bgpAdvertisementRules),
  ...of('BGPPeer', peerRules),
  ...of('BFDProfile', bfdRules),
  ...of('Community', communityRules),
  ...selectorFieldRules,
]

function of(kind: ConfigKind, rows: readonly Row[]): readonly RuleExample[] {
  return rows.map(row => Object.assign({ kind }, row))
}
