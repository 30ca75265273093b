/*
 * Shares by endpoints: the routers are told a bandwidth for each path (link bandwidth extended community) and split the
 * traffic in that proportion, so a node with three ready endpoints gets three times what a node with one gets. Only the
 * proportion means anything. The unit is chosen so that every router can hold it: FRR keeps octets per second in 32 bits,
 * which is enough for 34,359 endpoints of one Mbit/s each; routers that count in kbit/s still see a whole number; and a
 * single-precision float, which is what goes on the wire, holds the product exactly up to a thousand endpoints.
 */

const octetsPerSecondOfEndpoint = 125_000

/**
 * With externalTrafficPolicy Cluster a node without endpoints announces too, and passes on what it gets. It must have a
 * bandwidth: where one path has none, or zero, FRR (bgp bestpath bandwidth left alone) ignores the bandwidths of all. A tenth
 * of an endpoint keeps it as a path, and where all nodes are such, gives each the same.
 */
const octetsPerSecondOfNone = octetsPerSecondOfEndpoint / 10

/** The bandwidth to tell, in octets per second, for a node with so many usable endpoints. */
export function linkBandwidthOf(endpoints: number): number {
  return endpoints === 0 ? octetsPerSecondOfNone : endpoints * octetsPerSecondOfEndpoint
}
