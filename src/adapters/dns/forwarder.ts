import { randomInt } from 'node:crypto';
import { assert } from '../../core/base/assert.ts';
import { DaemonError } from '../../core/base/daemon-error.ts';
import { formatSocketAddress } from '../../core/base/host-port.ts';
import type { SocketAddress } from '../../core/config/config.ts';
import { HEADER_BYTES, RCODE, RCODE_MASK, UDP_PLAIN_BYTES_MAX } from '../../core/dns/constants.ts';
import { fitReply } from '../../core/dns/fit-reply.ts';
import { locateRecords, questionEnd } from '../../core/dns/message-layout.ts';
import { replyForClient } from '../../core/dns/upstream-reply.ts';
import { lowerOctet, writeU16 } from '../../core/dns/wire.ts';
import type { Clock } from '../../core/ports.ts';
import { askOverTcp } from './tcp-exchange.ts';
import { askOverUdp, isTruncated } from './udp-exchange.ts';
import { failed } from './upstream-exchange.ts';
import type { Exchange, ExchangeFailure, ExchangeOutcome } from './upstream-exchange.ts';

/**
 * Forwards under way at once, each with a socket and at most two messages of 64 KiB. A resolver
 * that has more than this unanswered is broken, and waiting clients help nobody.
 */
const INFLIGHT_MAX = 1000;
/**
 * Forwards under way for one question. Programs of a node that ask the same within one time-out are
 * some tens; a question that comes back to us, because an upstream asks us, is one more each round.
 */
const SAME_QUESTION_MAX = 64;

/** One exchange with one upstream, for the metrics. `to` is `address:port`. */
export interface ForwardExchange {
  readonly to: string;
  readonly protocol: 'udp' | 'tcp';
  readonly durationMs: number;
  readonly result:
    | { readonly kind: 'reply'; readonly rcode: number }
    | { readonly kind: 'failure'; readonly reason: ExchangeFailure };
}

/** A forward that was turned away: too many at all, or too many for the same question. */
export type ForwardRejectReason = 'inflight' | 'loop';

export interface ForwarderOptions {
  /** Time one upstream gets for one exchange; a retry over TCP is an exchange of its own. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly inflightMax?: number;
  readonly onExchange?: (exchange: ForwardExchange) => void;
  /** Told of every forward that is turned away before anybody is asked. */
  readonly onReject?: (reason: ForwardRejectReason) => void;
}

/** Passes queries on to recursive resolvers. */
export interface Forwarder {
  /**
   * The reply to `query` as this client gets it: its id, its question letter for letter, the
   * upstream's flags and OPT, cut with TC to `clientLimitBytes` (at least 512). `query` is a
   * decodable message with one question; it is copied before the call returns and sent as it is but
   * for the id. Upstreams are asked strictly in order; the next one is asked after any failure and
   * after SERVFAIL and REFUSED, the first of which is the reply if nobody has a better one (D23).
   * Rejects with `upstream-timeout` if all were silent, else `upstream-failed`; the latter at once
   * if too many forwards are under way, at all or for the same question.
   */
  forward(
    query: Uint8Array,
    upstreams: readonly SocketAddress[],
    transport: 'udp' | 'tcp',
    clientLimitBytes: number,
  ): Promise<Uint8Array>;
  /** Forwards under way. */
  readonly inflight: number;
  /** Ends every exchange; forwards under way and later ones reject with `upstream-failed`. */
  close(): void;
}

/** A forwarder without a cache. */
export function createForwarder(options: ForwarderOptions): Forwarder {
  return new OrderedForwarder(options);
}

interface Failure {
  readonly upstream: SocketAddress;
  readonly failure: ExchangeFailure;
  readonly detail: string;
}

class OrderedForwarder implements Forwarder {
  readonly #options: ForwarderOptions;
  readonly #inflightMax: number;
  readonly #cancels = new Set<() => void>();
  /** Forwards under way by `questionKey`. */
  readonly #byQuestion = new Map<string, number>();
  #inflight = 0;
  #closed = false;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#inflightMax = options.inflightMax ?? INFLIGHT_MAX;
  }

  get inflight(): number {
    return this.#inflight;
  }

  close(): void {
    this.#closed = true;
    for (const cancel of this.#cancels) cancel();
  }

  forward(
    query: Uint8Array,
    upstreams: readonly SocketAddress[],
    transport: 'udp' | 'tcp',
    clientLimitBytes: number,
  ): Promise<Uint8Array> {
    // Outside the promise, so that nobody takes a broken invariant for a failed exchange.
    assert(query.length > HEADER_BYTES && questionEnd(query) > 0, 'a forwarded query is readable');
    assert(clientLimitBytes >= UDP_PLAIN_BYTES_MAX, 'every client takes 512 octets');
    // Not `slice`: on a Buffer that is a view.
    return this.#forward(new Uint8Array(query), upstreams, transport, clientLimitBytes);
  }

  async #forward(
    query: Uint8Array,
    upstreams: readonly SocketAddress[],
    transport: 'udp' | 'tcp',
    clientLimitBytes: number,
  ): Promise<Uint8Array> {
    const question = questionKey(query);
    const same = this.#byQuestion.get(question) ?? 0;
    if (this.#inflight >= this.#inflightMax) {
      const message = `${this.#inflight} forwarded queries wait already; the upstreams are too slow`;
      throw this.#reject('inflight', message);
    }
    if (same >= SAME_QUESTION_MAX) {
      throw this.#reject('loop', `the same question waits ${same} times already: loop or flood`);
    }
    this.#inflight++;
    this.#byQuestion.set(question, same + 1);
    try {
      return await this.#askInOrder(query, upstreams, transport, clientLimitBytes);
    } finally {
      this.#inflight--;
      const left = this.#byQuestion.get(question)! - 1;
      if (left > 0) this.#byQuestion.set(question, left);
      else this.#byQuestion.delete(question);
    }
  }

  #reject(reason: ForwardRejectReason, message: string): DaemonError {
    this.#options.onReject?.(reason);
    return new DaemonError('upstream-failed', message);
  }

  async #askInOrder(
    query: Uint8Array,
    upstreams: readonly SocketAddress[],
    transport: 'udp' | 'tcp',
    clientLimitBytes: number,
  ): Promise<Uint8Array> {
    const failures: Failure[] = [];
    let refusal: Uint8Array | null = null;
    for (const upstream of upstreams) {
      if (this.#closed) break;
      const outcome = await this.#ask(query, upstream, transport);
      if (outcome.kind === 'failure') {
        failures.push({ upstream, ...outcome });
        continue;
      }
      const reply = fitReply(replyForClient(query, outcome.reply), clientLimitBytes);
      if (reply === null) {
        failures.push({ upstream, failure: 'malformed', detail: '' });
      } else if (isRefusal(reply)) {
        refusal ??= reply;
      } else {
        return reply;
      }
    }
    if (refusal !== null && !this.#closed) return refusal;
    throw forwardError(failures, this.#closed);
  }

  /** One upstream: over UDP, and over TCP if that is needed or asked for. */
  async #ask(
    query: Uint8Array,
    upstream: SocketAddress,
    transport: 'udp' | 'tcp',
  ): Promise<ExchangeOutcome> {
    if (transport === 'tcp') return this.#exchange(query, upstream, 'tcp', askOverTcp);
    const overUdp = await this.#exchange(query, upstream, 'udp', askOverUdp);
    if (!needsTcp(overUdp) || this.#closed) return overUdp;
    const overTcp = await this.#exchange(query, upstream, 'tcp', askOverTcp);
    if (overTcp.kind === 'reply' || overUdp.kind === 'failure') return overTcp;
    // A truncated reply is better than none, if it can be read.
    return locateRecords(overUdp.reply) === null ? failed('malformed') : overUdp;
  }

  async #exchange(
    query: Uint8Array,
    upstream: SocketAddress,
    protocol: 'udp' | 'tcp',
    exchange: Exchange,
  ): Promise<ExchangeOutcome> {
    const { clock, onExchange, timeoutMs } = this.#options;
    const startedAt = clock.monotonic();
    const sent = new Uint8Array(query);
    writeU16(sent, 0, randomInt(0x1_0000));
    const outcome = await exchange(sent, upstream, { timeoutMs, clock, cancels: this.#cancels });
    onExchange?.({
      to: formatSocketAddress(upstream),
      protocol,
      durationMs: clock.monotonic() - startedAt,
      result:
        outcome.kind === 'reply'
          ? { kind: 'reply', rcode: rcodeOf(outcome.reply) }
          : { kind: 'failure', reason: outcome.failure },
    });
    return outcome;
  }
}

/** Qname in lower case, qtype and qclass of a query, as a key. */
function questionKey(query: Uint8Array): string {
  const end = questionEnd(query);
  const question = Buffer.from(query.subarray(HEADER_BYTES, end));
  const nameBytes = question.length - 4;
  for (let i = 0; i < nameBytes; i++) question[i] = lowerOctet(question[i]!);
  return question.toString('latin1');
}

/** TC means that there is more; strays mean that someone forges, which TCP makes much harder. */
function needsTcp(outcome: ExchangeOutcome): boolean {
  return outcome.kind === 'reply' ? isTruncated(outcome.reply) : outcome.failure === 'strays';
}

function rcodeOf(message: Uint8Array): number {
  return message[3]! & RCODE_MASK;
}

/** The upstream could not or would not answer; another may. */
function isRefusal(reply: Uint8Array): boolean {
  const rcode = rcodeOf(reply);
  return rcode === RCODE.SERVFAIL || rcode === RCODE.REFUSED;
}

function forwardError(failures: readonly Failure[], closed: boolean): DaemonError {
  if (closed) return new DaemonError('upstream-failed', 'the forwarder is closed');
  if (failures.length === 0) {
    return new DaemonError('upstream-failed', 'there is no upstream to ask');
  }
  const isSilence = failures.every(({ failure }) => failure === 'timeout');
  const each = failures.map(
    ({ upstream, failure, detail }) =>
      `${formatSocketAddress(upstream)} ${failure}${detail === '' ? '' : ` (${detail})`}`,
  );
  const message = `no upstream answered: ${each.join(', ')}`;
  return new DaemonError(isSilence ? 'upstream-timeout' : 'upstream-failed', message);
}
