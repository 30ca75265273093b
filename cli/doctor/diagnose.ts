import type { Facts } from './facts.ts'
import type { Finding } from './finding.ts'
import { checkInterfaces } from './interfaces.ts'
import { checkKubeProxy } from './kube-proxy.ts'
import { checkExcludedNodes, checkLocalEndpoints, checkPools } from './network.ts'
import { checkOthers } from './others.ts'
import { checkPrograms, checkVersions } from './programs.ts'

/*
 * What is wrong with a cluster in the way of Berth, by what can be read of it. Each check comes to at least one finding;
 * what could not be read is a finding too, so that nobody takes silence for health.
 */

/** All findings, in the order of the checks. */
export function diagnose(facts: Facts): readonly Finding[] {
  return [
    ...checkVersions(facts),
    ...checkPrograms(facts),
    ...checkKubeProxy(facts),
    ...checkOthers(facts),
    checkExcludedNodes(facts),
    ...checkPools(facts),
    ...checkLocalEndpoints(facts),
    ...checkInterfaces(facts),
  ]
}
