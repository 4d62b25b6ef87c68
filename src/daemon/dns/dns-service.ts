import type { DnsClient, QueryHandler } from '../../adapters/dns/query-handler.ts';
import { parseIpAddress } from '../../core/base/address.ts';
import { assert } from '../../core/base/assert.ts';
import { FORWARD } from '../../core/dns/answer.ts';
import { EDE, MESSAGE_BYTES_MAX, RCODE } from '../../core/dns/constants.ts';
import type { ForwardQuestion, Resolution } from '../../core/forward/resolution.ts';
import type { ClientAddress } from '../../core/guard/client-address.ts';
import type { Clock, Log } from '../../core/ports.ts';
import type { Responder } from '../../core/respond/responder.ts';

export interface DnsServiceParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Asked for every query: another one takes over when the settings change. */
  responder(): Responder;
  /** Never rejects. */
  resolve(question: ForwardQuestion, client: string): Promise<Resolution>;
  /** Whether a question is one of our own that an upstream sent back (a loop). */
  isLooped(question: ForwardQuestion): boolean;
}

const LOOPED: Resolution = {
  kind: 'failure',
  rcode: RCODE.SERVFAIL,
  ede: EDE.OTHER,
  text: 'an upstream asks us back',
};

/**
 * Answers on the main thread: everything over TCP, what the UDP threads hand over, and all of UDP
 * where there are no such threads.
 */
export class DnsService {
  readonly #parts: DnsServiceParts;
  readonly #out = new Uint8Array(MESSAGE_BYTES_MAX);

  constructor(parts: DnsServiceParts) {
    this.#parts = parts;
  }

  readonly handle: QueryHandler = (query, client, respond) => {
    const start = this.#parts.clock.monotonic();
    const address = clientAddress(client);
    const overTcp = client.protocol === 'tcp';
    const responder = this.#parts.responder();
    const length = responder.respond(query, query.length, address, overTcp, start, this.#out);
    if (length !== FORWARD) {
      // Listeners copy what they are given to send; nothing, if it has no octets.
      respond(this.#out.subarray(0, length));
      return;
    }
    // The packet's memory is only ours during this call; `slice` of a Buffer would be a view of it.
    const copy = new Uint8Array(query);
    const question = responder.question();
    const resolution = this.#parts.isLooped(question)
      ? Promise.resolve(LOOPED)
      : this.#parts.resolve(question, client.address);
    resolution
      .then((outcome) => this.#resume(copy, address, overTcp, outcome, start, respond))
      .catch((err: unknown) => this.#parts.log.error('dns-reply-failed', { err }));
  };

  #resume(
    query: Uint8Array,
    address: ClientAddress,
    overTcp: boolean,
    outcome: Resolution,
    start: number,
    respond: (response: Uint8Array) => void,
  ): void {
    const responder = this.#parts.responder();
    const length = responder.resume(query, address, overTcp, outcome, start, this.#out);
    respond(this.#out.subarray(0, length));
  }
}

function clientAddress({ address }: DnsClient): ClientAddress {
  const zone = address.indexOf('%');
  const parsed = parseIpAddress(zone < 0 ? address : address.slice(0, zone));
  assert(parsed !== null, 'sockets give numeric addresses');
  return { family: parsed.family, bytes: parsed.bytes, offset: 0 };
}
