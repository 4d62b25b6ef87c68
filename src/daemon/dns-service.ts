import type { DnsClient, QueryHandler } from '../adapters/dns/query-handler.ts';
import { assert } from '../core/base/assert.ts';
import type { Random } from '../core/base/random.ts';
import { HEADER } from '../core/dns/answer-table.ts';
import { Answerer, type AnswerSettings, DROP, FORWARD } from '../core/dns/answer.ts';
import { EDE, MESSAGE_BYTES_MAX, RCODE, RCODE_MASK } from '../core/dns/constants.ts';
import type { ForwardZones, UpstreamSource } from '../core/dns/forward-zones.ts';
import type { AnswerTable } from '../core/dns/answer-table.ts';
import type { SocketAddress } from '../core/config/config.ts';
import type { Clock, DnsObservation, Log } from '../core/ports.ts';
import { ZONE } from '../core/dns/answer-table.ts';
import { nodeName } from '../core/views/table-records.ts';

/** How names outside our zones are resolved. */
export interface Forwarding {
  readonly enabled: boolean;
  readonly zones: ForwardZones;
  readonly upstreams: UpstreamSource;
}

export interface DnsServiceParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The table to answer from, asked for every query. */
  table(): AnswerTable;
  /** One query to upstreams, in order; rejects when none gave an answer. */
  forward(
    query: Uint8Array,
    upstreams: readonly SocketAddress[],
    protocol: 'udp' | 'tcp',
    replyBytesMax: number,
  ): Promise<Uint8Array>;
  observe(observation: DnsObservation): void;
}

/** One query that is being answered. */
interface Asked {
  readonly client: DnsClient;
  /** 0 if it has no readable question. */
  readonly qtype: number;
  readonly requestBytes: number;
  /** Monotonic. */
  readonly start: number;
  readonly respond: (response: Uint8Array) => void;
}

/** Answers queries from our zones and hands the others to the forwarder. */
export class DnsService {
  readonly #parts: DnsServiceParts;
  readonly #out = new Uint8Array(MESSAGE_BYTES_MAX);
  #answerer: Answerer;
  #forwarding: Forwarding;
  /** Names of the zones of `#zonesOf`, for metrics. */
  #zoneNames: readonly string[] = [];
  #zonesOf: AnswerTable | null = null;

  constructor(parts: DnsServiceParts, settings: AnswerSettings, forwarding: Forwarding) {
    this.#parts = parts;
    this.#answerer = new Answerer(settings, parts.random);
    this.#forwarding = forwarding;
  }

  configure(settings: AnswerSettings, forwarding: Forwarding): void {
    this.#answerer = new Answerer(settings, this.#parts.random);
    this.#forwarding = forwarding;
  }

  readonly handle: QueryHandler = (query, client, respond) => {
    const start = this.#parts.clock.monotonic();
    const table = this.#parts.table();
    const overTcp = client.protocol === 'tcp';
    const answerer = this.#answerer;
    const length = answerer.answer(table, query, query.length, overTcp, this.#out);
    assert(length !== DROP, 'listeners hand in queries only');
    const asked: Asked = {
      client,
      qtype: answerer.query.questionEnd === 0 ? 0 : answerer.query.qtype,
      requestBytes: query.length,
      start,
      respond,
    };
    if (length !== FORWARD) {
      const zone = this.#zoneName(table, answerer.zone);
      // Listeners copy what they are given to send.
      this.#send(asked, this.#out.subarray(0, length), zone, answerer.rcode);
      return;
    }
    // The packet's memory is only ours during this call; `slice` of a Buffer would be a view of it.
    const copy = new Uint8Array(query);
    this.#forward(copy, client)
      .then((reply) => this.#send(asked, reply, '.', reply[3]! & RCODE_MASK))
      .catch((err: unknown) => this.#parts.log.error('dns-reply-failed', { err }));
  };

  async #forward(query: Uint8Array, client: DnsClient): Promise<Uint8Array> {
    const { enabled, zones, upstreams } = this.#forwarding;
    const overTcp = client.protocol === 'tcp';
    if (!enabled) return this.#failure(query, RCODE.REFUSED, EDE.PROHIBITED, overTcp);
    const parsed = this.#answerer.query;
    const replyBytesMax = this.#answerer.replyBytesMax(overTcp);
    const zone = zones.find(parsed.name, parsed.nameLength);
    try {
      const targets = zone?.upstreams ?? (await upstreams());
      if (targets.length === 0) return this.#failure(query, RCODE.REFUSED, EDE.PROHIBITED, overTcp);
      return await this.#parts.forward(query, targets, client.protocol, replyBytesMax);
    } catch {
      // The forwarder has counted and logged it; the client gets the reason in the reply.
      return this.#failure(query, RCODE.SERVFAIL, EDE.NO_REACHABLE_AUTHORITY, overTcp);
    }
  }

  #failure(query: Uint8Array, rcode: number, ede: number, overTcp: boolean): Uint8Array {
    const length = this.#answerer.fail(query, query.length, rcode, ede, overTcp, this.#out);
    return this.#out.slice(0, length);
  }

  #send(asked: Asked, reply: Uint8Array, zone: string, rcode: number): void {
    const { client, qtype, requestBytes, start } = asked;
    asked.respond(reply);
    this.#parts.observe({
      protocol: client.protocol,
      family: client.family,
      zone,
      qtype,
      rcode,
      requestBytes,
      responseBytes: reply.length,
      durationMs: this.#parts.clock.monotonic() - start,
    });
  }

  #zoneName(table: AnswerTable, zone: number): string {
    if (this.#zonesOf !== table) {
      this.#zonesOf = table;
      this.#zoneNames = Array.from({ length: table.words[HEADER.ZONE_COUNT]! }, (_, i) =>
        nodeName(table, table.words[table.zoneAt(i) + ZONE.APEX_NODE]!),
      );
    }
    return this.#zoneNames[zone] ?? '.';
  }
}
