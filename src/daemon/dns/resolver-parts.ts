import type { SocketAddress } from '../../core/config/config.ts';
import type { Clock, Log } from '../../core/ports.ts';

/** Replies by `questionKey`, the least lately used thrown away when the memory is full. */
export interface ReplyStore {
  /** Ended replies too, as long as they are there. */
  get(key: string): Uint32Array | undefined;
  /** Replaces an earlier one, also if the new one has no lifetime and is not kept itself. */
  set(key: string, reply: Uint32Array): void;
  /** Throws away what is stored under matching keys; how many that were. */
  flush(matches: (key: string) => boolean): number;
  /** At most so many octets from now on; 0: nothing is kept. */
  resize(bytesMax: number): void;
  readonly entries: number;
  readonly bytes: number;
}

/**
 * What can become of a question, for the metrics; a miss is counted when its answer is there.
 * `rejected-oldest`: it had waited for long, and made room for a newer one.
 */
export type ResolverEvent =
  | 'hit-positive'
  | 'hit-negative'
  | 'miss-positive'
  | 'miss-negative'
  | 'miss-failure'
  | 'coalesced'
  | 'stale'
  | 'failure-remembered'
  | 'prefetch'
  | 'rejected-flights'
  | 'rejected-waiters'
  | 'rejected-client'
  | 'rejected-outage'
  | 'rejected-oldest';

export interface ResolverParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly cache: ReplyStore;
  /**
   * One reply of an upstream; rejects with `DaemonError` if none answered in `deadlineMs`, or when
   * `signal` says that nobody wants it.
   */
  ask(
    query: Uint8Array,
    upstreams: readonly SocketAddress[],
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
  upstreamsOf(qname: Uint8Array): readonly SocketAddress[] | Promise<readonly SocketAddress[]>;
  /**
   * Whether a lower-case wire name is in one of our zones. When it was not and is now, or the other
   * way round, replies have to be flushed.
   */
  isOwnName(name: Uint8Array): boolean;
  /** Gives all threads that answer over UDP a new buffer of `HotReplies`. */
  publishReplies(replies: SharedArrayBuffer): void;
  /**
   * Called once for every question and prefetch, and once more if it is given a stale reply or makes
   * room for another.
   */
  observe(event: ResolverEvent): void;
}
