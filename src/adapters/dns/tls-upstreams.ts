import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { formatUpstream, formatUpstreamIdentity, isTlsUpstream } from '../../core/base/upstream.ts';
import type { TlsUpstream, Upstream } from '../../core/base/upstream.ts';
import type { Clock } from '../../core/ports.ts';
import { TlsLink } from './tls-link.ts';
import { runExchange } from './upstream-exchange.ts';
import type { ExchangeContext, ExchangeOutcome } from './upstream-exchange.ts';

export interface TlsUpstreamsOptions {
  readonly clock: Clock;
  /** Certificates that are trusted; Node's if not given. */
  readonly secureContext?: (() => SecureContext) | undefined;
  /** Told once of an upstream that cannot prove who it is, `to` is `tls://address:port`. */
  readonly onDistrust?: ((to: string, advice: string) => void) | undefined;
}

/**
 * Connections to upstreams over TLS (RFC 7858): one for each, as many as the configuration has. They
 * are never asked in clear text, whatever happens.
 */
export class TlsUpstreams {
  readonly #options: TlsUpstreamsOptions;
  /** By `formatUpstreamIdentity`: what one name has proved counts for no other. */
  readonly #links = new Map<string, TlsLink>();
  #secureContext: SecureContext | null = null;
  #closed = false;

  constructor(options: TlsUpstreamsOptions) {
    this.#options = options;
  }

  /** Never rejects; as `askOverTcp`, on the connection that there is or a new one. */
  ask(
    query: Uint8Array,
    upstream: TlsUpstream,
    context: ExchangeContext,
  ): Promise<ExchangeOutcome> {
    return runExchange(context, (finish) =>
      this.#linkTo(upstream).ask(query, context.timeoutMs, finish),
    );
  }

  /** Leaves all others. */
  keep(upstreams: readonly Upstream[]): void {
    const kept = new Set(upstreams.filter(isTlsUpstream).map(formatUpstreamIdentity));
    for (const [identity, link] of this.#links) {
      if (kept.has(identity)) continue;
      this.#links.delete(identity);
      link.close();
    }
  }

  close(): void {
    this.#closed = true;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #linkTo(upstream: TlsUpstream): TlsLink {
    const identity = formatUpstreamIdentity(upstream);
    const known = this.#links.get(identity);
    if (known !== undefined) return known;
    const { clock, onDistrust } = this.#options;
    const link = new TlsLink(upstream, {
      clock,
      secureContext: () => this.#context(),
      onDistrust: (advice) => onDistrust?.(formatUpstream(upstream), advice),
    });
    if (this.#closed) link.close();
    else this.#links.set(identity, link);
    return link;
  }

  /** Reading all authorities takes some milliseconds, so it is done once, and if there is need. */
  #context(): SecureContext {
    this.#secureContext ??=
      this.#options.secureContext?.() ?? createSecureContext({ minVersion: 'TLSv1.2' });
    return this.#secureContext;
  }
}
