import { randomFillSync } from 'node:crypto';
import { formatUpstream, isTlsUpstream } from '../../core/base/upstream.ts';
import type { Upstream } from '../../core/base/upstream.ts';
import { NAME_BYTES_MAX, RCODE_MASK } from '../../core/dns/constants.ts';
import type { UpstreamHealth } from '../../core/forward/upstream-health.ts';
import { hasOpt, mixCase, withQuestionOf, withoutOpt } from '../../core/forward/upstream-query.ts';
import { judgeReply } from '../../core/forward/upstream-verdict.ts';
import type { UpstreamVerdict } from '../../core/forward/upstream-verdict.ts';
import type { Clock } from '../../core/ports.ts';
import { askOverTcp } from './tcp-exchange.ts';
import type { TlsUpstreams } from './tls-upstreams.ts';
import { askOverUdp, isTruncated } from './udp-exchange.ts';
import { Cancellation } from './upstream-exchange.ts';
import type { ExchangeContext, ExchangeFailure, ExchangeOutcome } from './upstream-exchange.ts';

/** One exchange with one upstream, for the metrics. `to` is that of `formatUpstream`. */
export interface ForwardExchange {
  readonly to: string;
  readonly protocol: 'udp' | 'tcp' | 'tls';
  readonly durationMs: number;
  readonly result:
    | { readonly kind: 'reply'; readonly rcode: number }
    | { readonly kind: 'failure'; readonly reason: ExchangeFailure };
}

/** What an upstream had to say to one question. */
export type UpstreamWord =
  | { readonly kind: 'reply'; readonly reply: Uint8Array; readonly verdict: UpstreamVerdict }
  | { readonly kind: 'failure'; readonly failure: ExchangeFailure; readonly detail: string };

/** One question on its way to one upstream. */
export class Asking {
  readonly cancellation: Cancellation = new Cancellation();
  /** Time to the first reply over UDP, or over TLS; null: there was none. */
  rttMs: number | null = null;
  /** The upstream has said something, be it nonsense. */
  heard = false;
}

export interface AskerOptions {
  /** Time of one exchange. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly health: UpstreamHealth;
  readonly tlsUpstreams: TlsUpstreams;
  /** Told of each exchange that came to its end. */
  readonly onExchange?: (exchange: ForwardExchange) => void;
}

/** An id, and a bit for each octet of a name. */
const RANDOM_BYTES = 2 + Math.ceil(NAME_BYTES_MAX / 8);

/**
 * Asks one upstream: over UDP, over TCP where that is needed, and without OPT if it stumbles over
 * that. At most one socket is open at a time. One with `tls` is asked over TLS and never otherwise.
 */
export class UpstreamAsker {
  readonly #options: AskerOptions;

  constructor(options: AskerOptions) {
    this.#options = options;
  }

  /** Never rejects. The reply has id and question of `query`, which has one question and an OPT. */
  async ask(query: Uint8Array, upstream: Upstream, asking: Asking): Promise<UpstreamWord> {
    const { clock, health } = this.#options;
    const knowsOpt = !health.hasQuirk(upstream, 'opt', clock.monotonic());
    const sent = knowsOpt ? query : withoutOpt(query);
    const word = wordOf(query, await this.#send(sent, upstream, asking));
    if (word.kind === 'failure' || !word.verdict.doubtsOpt || !hasOpt(sent)) return word;
    const again = wordOf(query, await this.#send(withoutOpt(query), upstream, asking));
    if (again.kind === 'failure' || again.verdict.doubtsOpt) return word;
    health.remember(upstream, 'opt', clock.monotonic());
    return again;
  }

  #send(query: Uint8Array, upstream: Upstream, asking: Asking): Promise<ExchangeOutcome> {
    if (!isTlsUpstream(upstream)) return this.#overUdp(query, upstream, asking);
    return this.#exchange(query, upstream, 'tls', 'any', asking);
  }

  /** Over UDP first. TC means that there is more, strays that someone forges: TCP helps with both. */
  async #overUdp(query: Uint8Array, upstream: Upstream, asking: Asking): Promise<ExchangeOutcome> {
    const { clock, health } = this.#options;
    const keepsCase = !health.hasQuirk(upstream, 'case', clock.monotonic());
    const nameCase = keepsCase ? 'exact' : 'any';
    const overUdp = await this.#exchange(query, upstream, 'udp', nameCase, asking);
    if (overUdp.kind === 'reply') {
      if (!isTruncated(overUdp.reply)) return overUdp;
      const whole = await this.#exchange(query, upstream, 'tcp', 'any', asking);
      return whole.kind === 'reply' ? whole : overUdp;
    }
    if (overUdp.failure !== 'strays' && overUdp.failure !== 'other-case') return overUdp;
    const overTcp = await this.#exchange(query, upstream, 'tcp', 'any', asking);
    if (overUdp.failure === 'strays') return overTcp;
    health.remember(upstream, 'case', clock.monotonic());
    if (overTcp.kind === 'reply') return overTcp;
    // A server without TCP that changes letters would never be heard otherwise.
    return this.#exchange(query, upstream, 'udp', 'any', asking);
  }

  async #exchange(
    query: Uint8Array,
    upstream: Upstream,
    protocol: ForwardExchange['protocol'],
    nameCase: 'any' | 'exact',
    asking: Asking,
  ): Promise<ExchangeOutcome> {
    const { clock, onExchange, timeoutMs } = this.#options;
    const { cancellation } = asking;
    const startedAt = clock.monotonic();
    const sent = new Uint8Array(query);
    const random = randomFillSync(new Uint8Array(RANDOM_BYTES));
    sent.set(random.subarray(0, 2), 0);
    if (nameCase === 'exact') mixCase(sent, random.subarray(2));
    const context = { timeoutMs, clock, nameCase, cancellation };
    const outcome = await this.#start(sent, upstream, protocol, context);
    const durationMs = clock.monotonic() - startedAt;
    if (outcome.kind === 'reply' && protocol !== 'tcp') asking.rttMs ??= durationMs;
    const isFailure = outcome.kind === 'failure';
    if (isFailure && outcome.failure === 'cancelled') return outcome;
    if (!isFailure || outcome.failure !== 'timeout') asking.heard = true;
    onExchange?.({
      to: formatUpstream(upstream),
      protocol,
      durationMs,
      result: isFailure
        ? { kind: 'failure', reason: outcome.failure }
        : { kind: 'reply', rcode: outcome.reply[3]! & RCODE_MASK },
    });
    return outcome;
  }

  #start(
    query: Uint8Array,
    upstream: Upstream,
    protocol: ForwardExchange['protocol'],
    context: ExchangeContext,
  ): Promise<ExchangeOutcome> {
    // By the upstream, not by the protocol: no way leads from here to clear text.
    if (isTlsUpstream(upstream)) return this.#options.tlsUpstreams.ask(query, upstream, context);
    return protocol === 'udp'
      ? askOverUdp(query, upstream, context)
      : askOverTcp(query, upstream, context);
  }
}

function wordOf(query: Uint8Array, outcome: ExchangeOutcome): UpstreamWord {
  if (outcome.kind === 'failure') return outcome;
  const reply = withQuestionOf(query, outcome.reply);
  return { kind: 'reply', reply, verdict: judgeReply(query, reply) };
}
