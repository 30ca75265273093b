import { type AlertCase, steady } from './alert-case.ts'

const leader = 'instance="berth-controller-a"'
const pool = (family: 'ipv4' | 'ipv6', inUse: number, total: number) => ({
  [`berth_allocator_${family}_addresses_in_use_total{${leader},pool="public"}`]: `${inUse}${steady}`,
  [`berth_allocator_${family}_addresses_total{${leader},pool="public"}`]: `${total}${steady}`,
})

export const controllerCases: readonly AlertCase[] = [
  {
    alert: 'BerthPoolNearlyFull',
    situation: 'IPv4 is nearly used up, however much IPv6 the pool has',
    series: { ...pool('ipv4', 92, 100), ...pool('ipv6', 92, 65_536) },
    fires: {
      afterMinutes: 5,
      labels: { pool: 'public', family: 'IPv4' },
      summary: 'The pool public is 92% full of IPv4 addresses.',
    },
  },
  {
    alert: 'BerthPoolNearlyFull',
    situation: 'IPv6 is nearly used up',
    series: { ...pool('ipv4', 0, 0), ...pool('ipv6', 16, 16) },
    fires: {
      afterMinutes: 5,
      labels: { pool: 'public', family: 'IPv6' },
      summary: 'The pool public is 100% full of IPv6 addresses.',
    },
  },
  {
    alert: 'BerthPoolNearlyFull',
    situation: 'nine of ten are in use',
    series: { ...pool('ipv4', 90, 100), ...pool('ipv6', 0, 0) },
  },
  {
    alert: 'BerthPoolNearlyFull',
    situation: 'a pool of one address is used, as it is meant to be',
    series: { ...pool('ipv4', 1, 1), ...pool('ipv6', 9, 9) },
  },
  {
    alert: 'BerthAddressesSetAside',
    situation: 'a machine has an address of the pool',
    series: { [`berth_allocator_addresses_conflicting{${leader},pool="public"}`]: `1${steady}` },
    fires: {
      afterMinutes: 5,
      labels: { pool: 'public' },
      summary: 'One address of the pool public is given to nobody, since other stations have it.',
    },
  },
  {
    alert: 'BerthAddressesSetAside',
    situation: 'the machine is switched off soon',
    series: { [`berth_allocator_addresses_conflicting{${leader},pool="public"}`]: '0 2x8 0x60' },
  },
  {
    alert: 'BerthServicesWaiting',
    situation: 'a Service gets no address',
    series: { [`berth_allocator_services_waiting{${leader}}`]: `1${steady}` },
    fires: { afterMinutes: 10, summary: 'One Service waits for an address.' },
  },
  {
    alert: 'BerthServicesWaiting',
    situation: 'many get none, and the leader has changed meanwhile',
    series: {
      [`berth_allocator_services_waiting{${leader}}`]: '7x10 stale',
      'berth_allocator_services_waiting{instance="berth-controller-b"}': `_x9 7${steady}`,
    },
    fires: { afterMinutes: 10, summary: '7 Services wait for an address.' },
  },
  {
    alert: 'BerthServicesWaiting',
    situation: 'each waits for a few minutes',
    series: { [`berth_allocator_services_waiting{${leader}}`]: '0 1x15 0 1x15 0 1x15 0x10' },
  },
  {
    alert: 'BerthConfigurationNotReady',
    situation: 'two objects are set aside',
    series: { [`berth_config_objects_not_ready{${leader}}`]: `2${steady}` },
    fires: { afterMinutes: 1, summary: '2 objects of the configuration are not in use as written.' },
  },
  {
    alert: 'BerthConfigurationNotReady',
    situation: 'one is for the time that it takes to apply the other',
    series: { [`berth_config_objects_not_ready{${leader}}`]: '0 1 0x60' },
  },
  {
    alert: 'BerthWritesFail',
    situation: 'every write is refused',
    series: { [`berth_k8s_client_update_errors_total{${leader}}`]: '0+1x120' },
    fires: {
      afterMinutes: 10.5,
      labels: { instance: 'berth-controller-a' },
      summary: 'The controller berth-controller-a cannot write the status of Services, again and again.',
    },
  },
  {
    alert: 'BerthWritesFail',
    situation: 'the API server was away for a minute',
    series: { [`berth_k8s_client_update_errors_total{${leader}}`]: '0 5 9x118' },
  },
  {
    alert: 'BerthNobodyLeads',
    situation: 'both stand by',
    series: { [`berth_leader{${leader}}`]: `0${steady}`, 'berth_leader{instance="berth-controller-b"}': `0${steady}` },
    fires: {
      afterMinutes: 1,
      summary: 'No controller leads: no Service gets an address. Those that have one keep it.',
    },
  },
  {
    alert: 'BerthNobodyLeads',
    situation: 'there is none',
    series: {},
    fires: {
      afterMinutes: 1,
      summary: 'No controller leads: no Service gets an address. Those that have one keep it.',
    },
  },
  {
    alert: 'BerthNobodyLeads',
    situation: 'one hands over to the other',
    series: { [`berth_leader{${leader}}`]: '1x9 0x110', 'berth_leader{instance="berth-controller-b"}': '0x10 1x109' },
  },
  {
    alert: 'BerthConfigurationNotRead',
    situation: 'who leads is not allowed to list pools',
    series: { [`berth_k8s_client_config_loaded_bool{${leader}}`]: `0${steady}` },
    fires: {
      afterMinutes: 2,
      labels: { instance: 'berth-controller-a' },
      summary: 'The controller berth-controller-a leads and has not read everything yet: no Service gets an address.',
    },
  },
  {
    alert: 'BerthConfigurationNotRead',
    situation: 'it has just begun to lead',
    series: { [`berth_k8s_client_config_loaded_bool{${leader}}`]: '0 0 1x118' },
  },
]
