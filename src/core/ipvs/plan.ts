import type { Prefix } from '../base/prefix.ts';
import type {
  Destination,
  DestinationId,
  IpvsTable,
  ObservedService,
  ServiceId,
  ServiceSettings,
  VirtualService,
} from './table.ts';

/** One change of the kernel; a plan is a list of them, in the order in which they are made. */
export type KernelChange =
  | { readonly kind: 'add-service' | 'edit-service'; readonly service: ServiceId & ServiceSettings }
  | { readonly kind: 'delete-service'; readonly service: ServiceId }
  | {
      readonly kind: 'add-destination' | 'edit-destination';
      readonly service: ServiceId;
      readonly destination: Destination;
    }
  | {
      readonly kind: 'delete-destination';
      readonly service: ServiceId;
      readonly destination: DestinationId;
    }
  /** Local route of a VIP; `source` is what local clients use as their own address. */
  | { readonly kind: 'set-route'; readonly address: string; readonly source: string }
  | { readonly kind: 'delete-route'; readonly address: string };

/** What the kernel should hold for us. */
export interface DesiredKernel {
  /** Where we own everything; nothing else is ever changed. */
  readonly owned: readonly Prefix[];
  /** Services with backends, without the catch-all ones of port 0, which the plan adds. */
  readonly services: IpvsTable;
  /** Addresses of this node by family; null: none, and so no route of that family is made. */
  readonly source: { readonly ipv4: string | null; readonly ipv6: string | null };
  /** false: what is missing in `services` may be missing by mistake, and stays in the kernel. */
  readonly mayRemove: boolean;
}

/** What the kernel holds. */
export interface ObservedKernel {
  readonly services: IpvsTable<ObservedService>;
  /** Source address by VIP, of our local routes; null for a route without one. */
  readonly routes: ReadonlyMap<string, string | null>;
}

/** When draining began, monotonic milliseconds, by `<serviceKey> <destinationKey>`. */
export type Drains = ReadonlyMap<string, number>;

export interface KernelPlan {
  readonly changes: readonly KernelChange[];
  /** What is draining once the changes are made. */
  readonly drains: Drains;
}

/** The plan's other inputs: time is a value. */
export interface PlanTime {
  /** Monotonic milliseconds. */
  readonly now: number;
  /** How long connections to a removed destination may go on. */
  readonly drainMs: number;
}

export type { VirtualService };
