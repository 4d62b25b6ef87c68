import type { Rejection } from '../core/base/rejection.ts';
import type { HostPort } from '../core/config/config.ts';
import type { ViewRequest, VipStatus } from '../core/ports.ts';
import type { ZoneSettings } from '../core/views/zone-view.ts';

/** What the generation worker is given at its start. */
export interface WorkerSettings {
  readonly zone: ZoneSettings;
  readonly pollIntervalMs: number;
  /** Whether builds say what the kernel should hold. */
  readonly kernel: boolean;
}

/** Host names and their addresses in text; a name that is missing is not known yet. */
export type HostTexts = ReadonlyMap<string, readonly string[]>;

/** A state that was read and is waiting to be built. */
export interface ReadReport {
  readonly leader: HostPort;
  readonly fromLeader: boolean;
  /** Agents that the state has, active or not. */
  readonly agents: number;
  /** Names whose addresses the build needs. */
  readonly hostNames: readonly string[];
  readonly stateBytes: number;
  readonly parseMs: number;
}

/** A generation that was built. */
export interface BuildReport {
  readonly table: SharedArrayBuffer;
  readonly changed: boolean;
  readonly buildMs: number;
  readonly frameworks: number;
  readonly agents: number;
  readonly tasks: number;
  readonly rejections: number;
  readonly vips: VipStatus;
  /** JSON of a `DesiredUpdate`; null: the kernel should hold what it did before. */
  readonly kernelUpdate: Uint8Array<ArrayBuffer> | null;
  /** The first few, for the log. */
  readonly firstRejections: readonly Rejection[];
}

/** What a build needs to know of the node it is for. */
export interface NodeView {
  /** Addresses of this node: backends on it are reached differently. */
  readonly addresses: readonly string[];
  /** VIPs that the kernel balances, and that so have names; null: all. */
  readonly programmed: readonly string[] | null;
}

export interface WorkerRequests {
  /** Parses a state body; the result is kept for `build`. */
  readonly read: { readonly in: { chunks: Uint8Array[] }; readonly out: ReadReport };
  /**
   * Builds the state read last, or once more the one built last: a state that was read and then
   * given up (its leader did not answer) must not be served. `previous` decides about the serial.
   */
  readonly build: {
    readonly in: {
      of: 'read' | 'built';
      hosts: HostTexts;
      previous: SharedArrayBuffer | null;
      nowSeconds: number;
      node: NodeView;
    };
    readonly out: BuildReport;
  };
  /** All that the kernel should hold, as a `DesiredUpdate`; null before the first build. */
  readonly kernelUpdate: {
    readonly in: NodeView;
    readonly out: Uint8Array<ArrayBuffer> | null;
  };
  /** New settings, for the next `build`. */
  readonly configure: { readonly in: WorkerSettings; readonly out: null };
  /** JSON text of a view on the generation built last. */
  readonly view: { readonly in: ViewRequest; readonly out: string };
}

export type WorkerMethod = keyof WorkerRequests;

export type WorkerCall = {
  readonly [M in WorkerMethod]: {
    readonly id: number;
    readonly method: M;
    readonly in: WorkerRequests[M]['in'];
  };
}[WorkerMethod];

export type WorkerReply =
  | { readonly id: number; readonly ok: true; readonly out: unknown }
  | { readonly id: number; readonly ok: false; readonly message: string };
