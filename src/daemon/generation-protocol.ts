import type { Rejection } from '../core/base/rejection.ts';
import type { HostPort, TrustConfig } from '../core/config/config.ts';
import type { SharedTable } from '../core/dns/answer-table.ts';
import type { TaskHealths } from '../core/marathon/task-health.ts';
import type { ViewRequest, VipStatus, WatchFilter, WatchUpdate } from '../core/ports.ts';
import type { Hold } from '../core/trust/retention.ts';
import type { ZoneSettings } from '../core/views/zone-view.ts';

/** What the generation worker is given at its start. */
export interface WorkerSettings {
  readonly zone: ZoneSettings;
  readonly pollIntervalMs: number;
  /** Whether builds say what the kernel should hold. */
  readonly kernel: boolean;
  readonly trust: TrustConfig;
  /** The framework whose tasks Marathon knows. */
  readonly marathonFramework: string;
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

/**
 * What is built: the state read last, by a poll or from the stream; the one loaded from disk; or what
 * is believed now, with the events since, and new hosts, settings, health or services. A state that
 * was read and then given up (its leader did not answer) must not be served.
 */
export type BuildOf = 'read' | 'saved' | 'believed';

/** What events of the master's stream did. */
export interface EventsReport {
  /** Events that this worker was given so far, of all streams. */
  readonly count: number;
  /** `changed`: a build of `believed` is due. `unknown`: besides, a state has to be fetched. */
  readonly outcome: 'unchanged' | 'changed' | 'unknown';
  /** SUBSCRIBED was among them: a state that is read, for a build of `read`. */
  readonly read: ReadReport | null;
  /** Names whose addresses a build needs now; null: as before. */
  readonly hostNames: readonly string[] | null;
  /** What SUBSCRIBED says of heartbeats; null: it does not, and there are none. */
  readonly heartbeatSeconds: number | null;
  /** Why a record is no event; those behind it were not looked at, and the stream is no good. */
  readonly invalid: string | null;
  /** Newest status of a task that changed, Unix seconds; null: none has a time. */
  readonly statusTime: number | null;
}

/** What became of a state that was to be saved. */
export interface SaveReport {
  /** false: the file holds the same. */
  readonly isWritten: boolean;
}

/** A generation that was built. */
export interface BuildReport {
  readonly table: SharedTable;
  readonly changed: boolean;
  readonly buildMs: number;
  readonly frameworks: number;
  readonly agents: number;
  readonly tasks: number;
  readonly rejections: number;
  readonly vips: VipStatus;
  /** Whether only what is different was built. */
  readonly isIncremental: boolean;
  /** What is retained though the master does not mention it; null: nothing. */
  readonly hold: Hold | null;
  /** Services from outside of Mesos. */
  readonly services: number;
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
  /**
   * Parses a state body; the result is kept for `build`, and its octets for `save` if `keep`. `asked`
   * is the count of events when it was asked for: what came since may not be in it.
   */
  readonly read: {
    readonly in: { chunks: Uint8Array[]; keep: boolean; asked: number };
    readonly out: ReadReport;
  };
  /** Takes in records of a stream from `leader`, in their order. */
  readonly events: {
    readonly in: { records: Uint8Array[][]; leader: HostPort };
    readonly out: EventsReport;
  };
  /** Health that Marathon knows of, by task id; null: none. For the next `build`. */
  readonly health: { readonly in: TaskHealths | null; readonly out: null };
  /** Text of the services file; null: none. For the next `build`; a text that is none changes nothing. */
  readonly services: {
    readonly in: { readonly text: string | null };
    readonly out: {
      readonly problem: string | null;
      readonly services: number;
      /** Names whose addresses they need. */
      readonly hostNames: readonly string[];
    };
  };
  /** Writes the octets kept; null: lets go of them. `takenAt` is wall-clock milliseconds. */
  readonly save: {
    readonly in: { readonly path: string; readonly takenAt: number } | null;
    readonly out: SaveReport;
  };
  /** Reads and parses a file that `save` has written; the result is kept for `build`. */
  readonly load: {
    readonly in: { readonly path: string; readonly bytesMax: number };
    readonly out: ReadReport;
  };
  /** `previous` decides about the serial. */
  readonly build: {
    readonly in: {
      of: BuildOf;
      hosts: HostTexts;
      previous: SharedTable | null;
      nowSeconds: number;
      /** Monotonic milliseconds. */
      nowMs: number;
      node: NodeView;
      /** Number of the generation: it grows with each, also when a worker has died. */
      number: number;
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
  /** What the last generation changed for those who watch; `null`: nobody does. */
  readonly watch: {
    readonly in: { readonly isWatched: boolean };
    readonly out: WatchUpdate | null;
  };
  /** Everything there is to watch: text of `watchSnapshot`. */
  readonly watchSnapshot: { readonly in: WatchFilter; readonly out: string };
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
