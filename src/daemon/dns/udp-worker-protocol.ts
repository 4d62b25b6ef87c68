import type { UdpThreadReport, UdpThreadSetup } from '../../adapters/dns/native/udp-thread.ts';
import type { SharedTable } from '../../core/dns/answer-table.ts';
import type { ForwardQuestion } from '../../core/forward/resolution.ts';
import type { QueryRecord } from '../../core/ports.ts';
import type { ResponderSettings } from '../../core/respond/responder.ts';
import type { ReplyMemory } from '../../core/respond/reply-observer.ts';

/**
 * Nice value that UDP threads give themselves where they may: a build and the engine's own threads
 * want all processors at times, and an answer of some microseconds should not wait for its turn.
 */
export const UDP_NICE = -15;

/** `workerData` of a UDP worker. */
export interface UdpWorkerData {
  readonly setup: UdpThreadSetup;
  readonly memory: UdpWorkerMemory;
}

/** Memory of one UDP worker that the main thread reads; it outlives a worker that dies. */
export type UdpWorkerMemory = ReplyMemory;

/**
 * What the workers answer with. The last message of each kind holds, for workers that are started
 * later, too.
 */
export type UdpPublication =
  | { readonly kind: 'settings'; readonly settings: ResponderSettings }
  | {
      readonly kind: 'table';
      readonly table: SharedTable;
      readonly zoneSlots: Uint8Array;
    }
  /** Of `HotReplies`. */
  | { readonly kind: 'replies'; readonly buffer: SharedArrayBuffer };

/** What a UDP worker reports. */
export type UdpWorkerReport =
  | UdpThreadReport
  /** The nice value that it has; once, at its start. */
  | { readonly kind: 'nice'; readonly nice: number }
  /** A stored reply that is asked for often is about to end. */
  | { readonly kind: 'prefetch'; readonly question: ForwardQuestion }
  /** A query that was chosen for the log; `reason` in bits of `CHOSEN`. */
  | { readonly kind: 'query'; readonly record: QueryRecord; readonly reason: number };
