import { assert } from '../../core/base/assert.ts';
import type { ConnectionCaps } from './connection-budget.ts';

/** What clients over TCP may use up (RFC 7766 §6.2, RFC 9210 §4); times in milliseconds. */
export interface TcpLimits {
  readonly connections: ConnectionCaps;
  /** Without a query, an answer or anything owed. */
  readonly idleMs: number;
  /** The same while more than `crowdedLoad` of all places are taken. */
  readonly crowdedIdleMs: number;
  readonly crowdedLoad: number;
  /** From the connection to its first whole query. */
  readonly firstMessageMs: number;
  /** From the first octet of a message to its last, however they drip. */
  readonly messageMs: number;
  /** Queries of one connection without an answer yet; at this many we stop reading. */
  readonly inflight: number;
  /** How long they may go without any answer. */
  readonly answerMs: number;
  /** Answers the client has not taken; at this many octets we stop reading. */
  readonly unsentBytes: number;
  /** At this many, which answers already under way can add up to, the connection is cut. */
  readonly unsentBytesMax: number;
  /** How long a client may take none of them. */
  readonly stallMs: number;
  /** From our last octet and FIN to the client's FIN. */
  readonly lingerMs: number;
}

export const TCP_LIMITS: TcpLimits = {
  connections: {
    // A descriptor and some 10 KiB each; a node has hundreds of programs, few of which use TCP.
    total: 512,
    // One container asking in parallel after truncated answers stays far below.
    perClient: 64,
    // All programs of the node, less an eighth that is kept for the others.
    loopback: 448,
  },
  // RFC 9210 §4.1 suggests 10 s; clients with several queries send them at once.
  idleMs: 10_000,
  // Long enough for a client that is about to send.
  crowdedIdleMs: 2_000,
  crowdedLoad: 0.75,
  // Programs connect when they have a query; 5 s also covers two lost segments.
  firstMessageMs: 5_000,
  // A query is one segment; 2 s covers one that was lost twice.
  messageMs: 2_000,
  // Resolvers pipeline some tens; one client must not fill the forwarder.
  inflight: 100,
  // Longer than a forwarded query takes when several upstreams are silent in turn.
  answerMs: 30_000,
  // Four answers of the largest size.
  unsentBytes: 256 * 1024,
  unsentBytesMax: 1024 * 1024,
  stallMs: 5_000,
  lingerMs: 2_000,
};

/** The limits that make sense together. */
export function assertTcpLimits(limits: TcpLimits): void {
  const { total, perClient, loopback } = limits.connections;
  assert(perClient <= total && loopback <= total, 'the total holds for everyone');
  assert(limits.crowdedIdleMs <= limits.idleMs, 'a crowd shortens the wait');
  assert(limits.unsentBytes <= limits.unsentBytesMax, 'reading stops before the cut');
  assert(limits.inflight > 0, 'a connection can ask');
}

assertTcpLimits(TCP_LIMITS);
