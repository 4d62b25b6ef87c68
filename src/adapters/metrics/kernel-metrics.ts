import { Counter, Gauge, Histogram, exponentialBuckets } from 'prom-client';
import type { Registry } from 'prom-client';
import type { KernelStatus, TrafficCounters } from '../../core/ports.ts';
import { boundedLabel } from './labels.ts';
import { createVipTraffic } from './vip-traffic.ts';

/** What the kernel process reports. */
export interface KernelMetrics {
  /**
   * Counts what a report of the kernel process says; call it once for each report, with `restarts`
   * as it was when that process started. `counters` by `serviceKey`; absent: as they were.
   */
  observeKernel(status: KernelStatus, counters?: ReadonlyMap<string, TrafficCounters>): void;
}

/** errno symbols of the system: about 130 exist, few of them occur. */
const ERRORS_MAX = 32;

/** 1 ms doubling to 16 s: a table takes from a handful of services to tens of thousands. */
const SYNC_SECONDS_BUCKETS = exponentialBuckets(0.001, 2, 15);

const STATES: readonly KernelStatus['state'][] = ['off', 'starting', 'synced', 'degraded'];

interface KernelGauge {
  readonly name: string;
  readonly help: string;
  readonly value: (status: KernelStatus) => number;
}

const KERNEL_GAUGES: readonly KernelGauge[] = [
  {
    name: 'hoplite_ipvs_vips',
    help: 'VIP addresses that the kernel balances for us.',
    value: (status) => status.programmed,
  },
  {
    name: 'hoplite_ipvs_services',
    help: 'Our virtual services in the kernel.',
    value: (status) => status.services,
  },
  {
    name: 'hoplite_ipvs_destinations',
    help: 'Destinations of our virtual services.',
    value: (status) => status.destinations,
  },
  {
    name: 'hoplite_ipvs_weight_zero_destinations',
    help: 'Destinations that get no new connections.',
    value: (status) => status.weightZero,
  },
  {
    name: 'hoplite_ipvs_draining_destinations',
    help: 'Removed destinations whose connections go on.',
    value: (status) => status.draining,
  },
  {
    name: 'hoplite_ipvs_sysctls_wrong',
    help: 'IPVS sysctls that do not have the value we want; /v1/status lists them.',
    value: (status) => status.sysctls.filter(({ ok }) => !ok).length,
  },
];

function createKernelGauges(registry: Registry): (status: KernelStatus) => void {
  const registers = [registry];
  const state = new Gauge({
    name: 'hoplite_kernel_state',
    help: '1 for the state that the kernel is in, as in /v1/status.',
    labelNames: ['state'],
    registers,
  });
  const gauges = KERNEL_GAUGES.map(({ name, help, value }) => {
    const gauge = new Gauge({ name, help, registers });
    gauge.remove();
    return { gauge, value };
  });
  return (status) => {
    for (const each of STATES) state.set({ state: each }, each === status.state ? 1 : 0);
    for (const { gauge, value } of gauges) {
      if (status.state === 'off') gauge.remove();
      else gauge.set(value(status));
    }
  };
}

/**
 * Follows a count that begins anew with each kernel process; returns by how much it grew. What a
 * process did after its last report is lost, never counted twice.
 */
function createFollower(): (count: number, isNewProcess: boolean) => number {
  let last = 0;
  return (count, isNewProcess) => {
    const grown = isNewProcess || count < last ? count : count - last;
    last = count;
    return grown;
  };
}

function createReportCounters(
  registry: Registry,
): (status: KernelStatus, isNewProcess: boolean) => void {
  const registers = [registry];
  const changes = new Counter({
    name: 'hoplite_ipvs_changes_total',
    help: 'Changes made to the kernel.',
    registers,
  });
  const repairs = new Counter({
    name: 'hoplite_ipvs_drift_repaired_total',
    help: 'Changes that undid what somebody else had done to what is ours.',
    registers,
  });
  const errors = new Counter({
    name: 'hoplite_ipvs_errors_total',
    help: 'Changes that the kernel refused and requests that failed, by errno.',
    labelNames: ['errno'],
    registers,
  });
  const changesGrown = createFollower();
  const repairsGrown = createFollower();
  const errnoLabel = boundedLabel(ERRORS_MAX);
  const errorsGrown = new Map<string, ReturnType<typeof createFollower>>();
  return (status, isNewProcess) => {
    changes.inc(changesGrown(status.changes, isNewProcess));
    repairs.inc(repairsGrown(status.driftRepaired, isNewProcess));
    // An errno that this process did not meet may stand for a high count of the one before.
    const errnos = new Set([...errorsGrown.keys(), ...Object.keys(status.errors)]);
    for (const errno of errnos) {
      const grown = errorsGrown.get(errno) ?? createFollower();
      errorsGrown.set(errno, grown);
      errors.inc({ errno: errnoLabel(errno) }, grown(status.errors[errno] ?? 0, isNewProcess));
    }
  };
}

/**
 * Registers `hoplite_ipvs_*`, `hoplite_kernel_*` and the traffic of VIPs. `showKernel` sets what
 * mirrors a status; the gauges of a kernel that is left alone are absent.
 */
export function createKernelMetrics(
  registry: Registry,
): KernelMetrics & { showKernel(status: KernelStatus): void } {
  const registers = [registry];
  const seconds = new Histogram({
    name: 'hoplite_ipvs_sync_duration_seconds',
    help: 'Time of one comparison of the kernel with what it should hold, changes included.',
    buckets: SYNC_SECONDS_BUCKETS,
    registers,
  });
  const restarts = new Counter({
    name: 'hoplite_kernel_process_restarts_total',
    help: 'Times the process that programs the kernel was started again.',
    registers,
  });
  const countReport = createReportCounters(registry);
  const observeTraffic = createVipTraffic(registry);
  const showGauges = createKernelGauges(registry);
  let restartsSeen = 0;
  let syncSeen: string | null = null;
  return {
    observeKernel(status, counters) {
      const isNewProcess = status.restarts !== restartsSeen;
      restartsSeen = status.restarts;
      countReport(status, isNewProcess);
      if (status.syncMs !== null && status.lastSyncAt !== syncSeen) {
        syncSeen = status.lastSyncAt;
        seconds.observe(status.syncMs / 1000);
      }
      if (counters !== undefined) observeTraffic(counters);
    },
    showKernel(status) {
      showGauges(status);
      restarts.reset();
      restarts.inc(status.restarts);
    },
  };
}
