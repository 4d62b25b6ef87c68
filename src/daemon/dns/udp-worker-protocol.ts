import type { UdpThreadReport, UdpThreadSetup } from '../../adapters/dns/native/udp-thread.ts';
import type { ForwardQuestion } from '../../core/forward/resolution.ts';
import type { QueryRecord } from '../../core/ports.ts';
import type { ResponderSettings } from '../../core/respond/responder.ts';
import type { ReplyMemory } from '../../core/respond/reply-observer.ts';

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
      /** Of an `AnswerTable`. */
      readonly buffer: SharedArrayBuffer;
      readonly zoneSlots: Uint8Array;
    }
  /** Of `HotReplies`. */
  | { readonly kind: 'replies'; readonly buffer: SharedArrayBuffer };

/** What a UDP worker reports. */
export type UdpWorkerReport =
  | UdpThreadReport
  /** A stored reply that is asked for often is about to end. */
  | { readonly kind: 'prefetch'; readonly question: ForwardQuestion }
  /** A query that was chosen for the log; `reason` in bits of `CHOSEN`. */
  | { readonly kind: 'query'; readonly record: QueryRecord; readonly reason: number };
