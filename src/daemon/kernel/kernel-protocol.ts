import type { ErrorCode } from '../../core/base/daemon-error.ts';
import type { Destination, VirtualService } from '../../core/ipvs/table.ts';
import type { KernelStatus, TrafficCounters } from '../../core/ports.ts';

/** How the kernel process works; may change at run time, except the interface. */
export interface KernelSettings {
  readonly interface: string;
  /** CIDR texts of what we own: pools and configured ranges. */
  readonly owned: readonly string[];
  readonly nodeAddress: { readonly ipv4: string | null; readonly ipv6: string | null };
  readonly reconcileIntervalMs: number;
  readonly drainMs: number;
  readonly sysctls: 'set' | 'report';
  readonly snat: boolean;
}

/** A virtual service as it travels between processes. */
export interface ServiceMessage extends Omit<VirtualService, 'destinations'> {
  readonly destinations: readonly Destination[];
}

/** What the kernel should hold, as a whole or as the difference to the update before. */
export interface DesiredUpdate {
  /** false: only what changed since the last update. */
  readonly isWhole: boolean;
  /** Services that are new or changed, each with all of its destinations. */
  readonly services: readonly ServiceMessage[];
  /** `serviceKey` of services that are gone. */
  readonly removed: readonly string[];
  /** See `DesiredKernel`. */
  readonly mayRemove: boolean;
  /** See `DesiredKernel`. */
  readonly additionsOnly?: boolean;
  /** An address of the cluster: the route to it tells the node's own address. */
  readonly towards: string | null;
}

/** From the daemon to the kernel process. */
export type KernelRequest =
  | { readonly kind: 'configure'; readonly settings: KernelSettings }
  /** JSON of a `DesiredUpdate`: made in the generation worker, and not looked into on the way. */
  | { readonly kind: 'desire'; readonly update: Uint8Array }
  | { readonly kind: 'view'; readonly id: number; readonly view: 'ipvs' | 'ipvs-plan' };

/** From the kernel process to the daemon. */
export type KernelReply =
  | {
      readonly kind: 'report';
      readonly status: Omit<KernelStatus, 'restarts'>;
      /** VIP addresses that are programmed; null: as in the report before. */
      readonly programmed: readonly string[] | null;
      /** Updates that this process has been given and the kernel has; absent: none is known of. */
      readonly updates?: number;
      /** Of all our services by `serviceKey`, for the metrics; absent: as in the report before. */
      readonly counters?: ReadonlyMap<string, TrafficCounters>;
    }
  | { readonly kind: 'view'; readonly id: number; readonly json: string }
  | {
      readonly kind: 'view-failed';
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
    };

/** The status before the first report. */
export const NOTHING_YET: Omit<KernelStatus, 'restarts'> = {
  state: 'starting',
  reasons: [],
  lastSyncAt: null,
  syncMs: null,
  programmed: 0,
  services: 0,
  destinations: 0,
  weightZero: 0,
  draining: 0,
  changes: 0,
  driftRepaired: 0,
  errors: {},
  source: { ipv4: null, ipv6: null },
  sysctls: [],
};
