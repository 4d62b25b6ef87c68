import type { Prefix } from '../base/prefix.ts';
import type { Random } from '../base/random.ts';
import type { RateLimitConfig } from '../config/config.ts';
import { AnswerTable } from '../dns/answer-table.ts';
import { Answerer, type AnswerSettings, type Asking } from '../dns/answer.ts';
import { COOKIE, type CookieVerdict, DROP, FORWARD, PENDING } from '../dns/answer.ts';
import {
  CLASS,
  EDE,
  FLAG,
  MESSAGE_BYTES_MAX,
  RCODE,
  UDP_PLAIN_BYTES_MAX,
} from '../dns/constants.ts';
import { keyFlags, LEADS_HOME, NEVER, STORED } from '../dns/stored-reply.ts';
import { HotReplies } from '../forward/hot-replies.ts';
import type { ForwardQuestion, Resolution } from '../forward/resolution.ts';
import { specialLookup } from '../forward/special-zones.ts';
import { AccessList } from '../guard/access-list.ts';
import type { ClientAddress } from '../guard/client-address.ts';
import { ServerCookies } from '../guard/server-cookie.ts';
import { type Count, COUNT, type DnsCounters } from './counters.ts';
import type { PacketHandler } from './packet-handler.ts';
import { ReplyLimiter } from './reply-limiter.ts';
import { OUTSIDE_SLOT } from './zone-slots.ts';

/** Everything a thread needs to know to answer; plain data, so that it can be sent to one. */
export interface ResponderSettings {
  readonly answer: AnswerSettings;
  /** 16 octets. */
  readonly cookieSecret: Uint8Array;
  /** Who gets answers at all. */
  readonly allow: readonly Prefix[];
  readonly rateLimit: RateLimitConfig;
  /** RA bit of answers from our zones, for clients that may use the forwarder. */
  readonly recursionAvailable: boolean;
  /** Whether names outside our zones are looked up. */
  readonly forwards: boolean;
  /** For whom they are. */
  readonly forwardAllow: readonly Prefix[];
  /** Who is trusted to ask for itself: whose addresses need not be proven for large answers. */
  readonly trusted: readonly Prefix[];
  /** Compiled names for special use; null: they are forwarded like others. */
  readonly specialZones: SharedArrayBuffer | null;
}

/** What a responder uses besides its settings. */
export interface ResponderParts {
  readonly random: Random;
  readonly counters: DnsCounters;
  /** Monotonic milliseconds. */
  monotonic(): number;
  /** Seconds of the wall clock, which server cookies carry. */
  wallSeconds(): number;
  /** A stored reply that is asked for often is about to end; called once for each. */
  onPrefetch(question: ForwardQuestion): void;
  /** Every reply that was written, with its question in `query`. */
  onReply?(reply: Reply): void;
}

/** A reply that was just written; used again for the next one. */
export interface Reply {
  readonly answerer: Answerer;
  client: ClientAddress;
  overTcp: boolean;
  requestBytes: number;
  responseBytes: number;
  durationMs: number;
  /** Monotonic. */
  answeredMs: number;
}

/** TTL of records of a stale reply (RFC 8767 §4). */
const STALE_TTL_SECONDS = 30;
/**
 * Most octets over UDP for those not trusted, without a valid cookie, whose addresses may be forged:
 * the size that every client takes, so that we multiply an attack by little. Others ask over TCP.
 */
const UNPROVEN_BYTES_MAX = UDP_PLAIN_BYTES_MAX;
/**
 * Of the packets that are answered at once, the time is taken of one in so many: reading the clock
 * costs a tenth of an answer.
 */
const MEASURED = 16;

/** Texts of refusals (RFC 8914 §4.19, §4.21, §4.22). */
const MAY_NOT_FORWARD = 'this client may not look up other names (forward.allow)';
const FORWARDS_NOTHING = 'names outside our zones are not looked up (forward.enabled)';
const FORWARDS_INTERNET = 'names outside our zones are looked up in class IN alone';

/** Answers packets: own zones, names for special use and stored replies. One per thread. */
export class Responder {
  readonly answerer: Answerer;
  readonly #parts: ResponderParts;
  readonly #counters: DnsCounters;
  readonly #limiter: ReplyLimiter;
  readonly #access: AccessList;
  readonly #forwards: boolean;
  readonly #forwardAccess: AccessList;
  readonly #trusted: AccessList;
  readonly #recursionAvailable: boolean;
  readonly #special: AnswerTable | null;
  #table: AnswerTable;
  #zoneSlots: Uint8Array;
  #replies: HotReplies;
  readonly #asking: Asking;
  readonly #reply: Reply;
  #mayForward = false;
  #slot = OUTSIDE_SLOT;
  #wallReadAt = Number.NEGATIVE_INFINITY;
  /** What the last measured reply took, and how many more count as as long. */
  #elapsedMs = 0;
  #unmeasured = 0;

  constructor(
    settings: ResponderSettings,
    parts: ResponderParts,
    published: { table: AnswerTable; zoneSlots: Uint8Array; replies: SharedArrayBuffer },
  ) {
    const cookies = new ServerCookies(settings.cookieSecret);
    this.answerer = new Answerer(settings.answer, cookies, parts.random);
    this.#parts = parts;
    this.#counters = parts.counters;
    const seed = Math.floor(parts.random() * 2 ** 32);
    this.#limiter = new ReplyLimiter(settings.rateLimit, seed, parts.counters);
    this.#access = new AccessList(settings.allow);
    const { forwards, forwardAllow, specialZones } = settings;
    this.#forwards = forwards;
    this.#forwardAccess = new AccessList(forwardAllow);
    this.#trusted = new AccessList(settings.trusted);
    this.#recursionAvailable = settings.recursionAvailable;
    this.#special = specialZones === null ? null : new AnswerTable(specialZones);
    this.#table = published.table;
    this.#zoneSlots = published.zoneSlots;
    this.#replies = new HotReplies(published.replies);
    const client: ClientAddress = { family: 4, bytes: new Uint8Array(16), offset: 0 };
    const size = { nowSeconds: 0, unprovenBytesMax: UNPROVEN_BYTES_MAX };
    this.#asking = { overTcp: false, client, recursionAvailable: false, ...size };
    const sizes = { requestBytes: 0, responseBytes: 0, durationMs: 0, answeredMs: 0 };
    this.#reply = { answerer: this.answerer, client, overTcp: false, ...sizes };
  }

  /** From now on this table is answered from; `zoneSlots` are the counters' slots of its zones. */
  publishTable(table: AnswerTable, zoneSlots: Uint8Array): void {
    this.#table = table;
    this.#zoneSlots = zoneSlots;
  }

  publishReplies(replies: SharedArrayBuffer): void {
    this.#replies = new HotReplies(replies);
  }

  /** Answers a datagram. */
  readonly handle: PacketHandler = (message, length, client, nowMs, out) =>
    this.respond(message, length, client, false, nowMs, out);

  /** The same where nobody is left to hand a question to: it gets SERVFAIL. */
  readonly overload: PacketHandler = (message, length, client, nowMs, out) => {
    const size = this.#begin(message, length, client, false, nowMs, out);
    if (size !== PENDING) return size;
    const failed = this.answerer.fail(RCODE.SERVFAIL, EDE.OTHER, 'too many queries wait');
    return this.#finish(failed, length, nowMs, nowMs, out);
  };

  /** Length of the reply in `out`, DROP, or FORWARD: upstreams have to be asked. */
  respond(
    message: Uint8Array,
    length: number,
    client: ClientAddress,
    overTcp: boolean,
    nowMs: number,
    out: Uint8Array,
  ): number {
    let size = this.#begin(message, length, client, overTcp, nowMs, out);
    if (size === PENDING) size = this.#answer(nowMs);
    return size === DROP || size === FORWARD ? size : this.#finish(size, length, nowMs, nowMs, out);
  }

  /** The question that `respond` has just returned FORWARD for. */
  question(): ForwardQuestion {
    const { query } = this.answerer;
    return {
      qname: query.name.slice(0, query.nameLength),
      qtype: query.qtype,
      dnssecOk: query.dnssecOk,
      checkingDisabled: (query.flags & FLAG.CD) !== 0,
      recursionDesired: (query.flags & FLAG.RD) !== 0,
    };
  }

  /**
   * Answers a question that `respond` returned FORWARD for, with what became of it. `startMs` is
   * when it came (monotonic).
   */
  resume(
    message: Uint8Array,
    client: ClientAddress,
    overTcp: boolean,
    resolution: Resolution,
    startMs: number,
    out: Uint8Array,
  ): number {
    const nowMs = this.#parts.monotonic();
    let size = this.#begin(message, message.length, client, overTcp, nowMs, out);
    if (size === PENDING) size = this.#write(resolution, nowMs);
    return size === DROP ? DROP : this.#finish(size, message.length, startMs, nowMs, out);
  }

  #begin(
    message: Uint8Array,
    length: number,
    client: ClientAddress,
    overTcp: boolean,
    nowMs: number,
    out: Uint8Array,
  ): number {
    const asking = this.#asking;
    this.#mayForward = this.#forwards && this.#forwardAccess.allows(client);
    const isTrusted = this.#trusted.allows(client);
    asking.unprovenBytesMax = isTrusted ? MESSAGE_BYTES_MAX : UNPROVEN_BYTES_MAX;
    asking.overTcp = overTcp;
    asking.client = client;
    asking.recursionAvailable = this.#recursionAvailable && this.#mayForward;
    if (nowMs - this.#wallReadAt >= 1000) {
      this.#wallReadAt = nowMs;
      asking.nowSeconds = this.#parts.wallSeconds();
    }
    this.#slot = OUTSIDE_SLOT;
    const { answerer } = this;
    const size = answerer.begin(message, length, asking, out);
    // What class CH says of this server is not for everybody either.
    const isAnswer = size > 0 && answerer.rcode === RCODE.NOERROR && answerer.query.questionEnd > 0;
    return isAnswer && !this.#access.allows(client) ? this.#refuse() : size;
  }

  #refuse(): number {
    this.#counters.count(COUNT.ACCESS_REFUSED);
    const text = 'this client may not ask (dns.allow)';
    return this.answerer.fail(RCODE.REFUSED, EDE.PROHIBITED, text);
  }

  #answer(nowMs: number): number {
    const { answerer } = this;
    if (!this.#access.allows(this.#asking.client)) return this.#refuse();
    const table = this.#table;
    const ede = table.isStale(nowMs / 1000) ? EDE.STALE_ANSWER : 0;
    const size = answerer.answerFrom(table, undefined, ede);
    if (size !== FORWARD) {
      this.#slot = this.#zoneSlots[answerer.zone] ?? OUTSIDE_SLOT;
      return size;
    }
    if (!this.#forwards) {
      return answerer.fail(RCODE.REFUSED, EDE.NOT_AUTHORITATIVE, FORWARDS_NOTHING);
    }
    if (!this.#mayForward) {
      this.#counters.count(COUNT.ACCESS_REFUSED);
      return answerer.fail(RCODE.REFUSED, EDE.PROHIBITED, MAY_NOT_FORWARD);
    }
    if (answerer.query.qclass !== CLASS.IN) {
      return answerer.fail(RCODE.REFUSED, EDE.NOT_SUPPORTED, FORWARDS_INTERNET);
    }
    const special = this.#answerSpecial();
    return special === FORWARD ? this.#answerStored(nowMs) : special;
  }

  #answerSpecial(): number {
    const table = this.#special;
    if (table === null) return FORWARD;
    return this.answerer.answerFrom(table, specialLookup(table, this.answerer.query));
  }

  #answerStored(nowMs: number): number {
    const { query } = this.answerer;
    const { flags } = query;
    const key = keyFlags(query.dnssecOk, (flags & FLAG.CD) !== 0, (flags & FLAG.RD) !== 0);
    const replies = this.#replies;
    const at = replies.find(query, key);
    if (at === 0) return FORWARD;
    const { words, bytes } = replies;
    const word = at >>> 2;
    const nowSeconds = Math.floor(nowMs / 1000);
    if (nowSeconds >= words[word + STORED.EXPIRES_AT]!) return FORWARD;
    replies.countHit(at);
    const prefetchAt = words[word + STORED.PREFETCH_AT]!;
    if (nowSeconds >= prefetchAt) {
      // Of all threads that see it, one asks for it.
      const seen = Atomics.compareExchange(words, word + STORED.PREFETCH_AT, prefetchAt, NEVER);
      if (seen === prefetchAt) this.#parts.onPrefetch(this.question());
    }
    const hasAnswer = words[word + STORED.ANSWER_AUTHORITY]! >>> 16 > 0;
    this.#counters.count(hasAnswer ? COUNT.CACHE_HIT : COUNT.CACHE_HIT_NEGATIVE);
    return this.#writeStored(words, bytes, at, nowMs, 0);
  }

  #write(resolution: Resolution, nowMs: number): number {
    if (resolution.kind === 'failure') {
      const { rcode, ede, text } = resolution;
      return this.answerer.fail(rcode, ede, text);
    }
    const { reply, stale } = resolution;
    const bytes = new Uint8Array(reply.buffer, reply.byteOffset, reply.byteLength);
    const size = this.#writeStored(reply, bytes, 0, nowMs, stale ? STALE_TTL_SECONDS : 0);
    // It was an alias of a name of ours when it was read, and the zone has gone since.
    return size === FORWARD ? this.answerer.fail(RCODE.SERVFAIL, EDE.NOT_READY, '') : size;
  }

  /** Writes a stored reply; FORWARD if it leads to a zone that is not ours, or not any more. */
  #writeStored(
    words: Uint32Array,
    bytes: Uint8Array,
    at: number,
    nowMs: number,
    staleTtl: number,
  ): number {
    const { answerer } = this;
    const nowSeconds = Math.floor(nowMs / 1000);
    if ((words[(at >>> 2) + STORED.FLAGS]! & LEADS_HOME) === 0) {
      return answerer.answerStored(words, bytes, at, nowSeconds, staleTtl);
    }
    const table = this.#table;
    const ede = table.isStale(nowMs / 1000) ? EDE.STALE_ANSWER : 0;
    return answerer.answerAliased(table, words, bytes, at, nowSeconds, staleTtl, ede);
  }

  /** Limits the rate of a reply of `size` octets, and counts what is sent. */
  #finish(
    size: number,
    requestBytes: number,
    startMs: number,
    nowMs: number,
    out: Uint8Array,
  ): number {
    const { answerer } = this;
    const { client, overTcp } = this.#asking;
    const sent = overTcp ? size : this.#limiter.limit(answerer, size, client, nowMs, out);
    if (sent === DROP) return DROP;
    const { query } = answerer;
    const reply = this.#reply;
    reply.client = client;
    reply.overTcp = overTcp;
    reply.requestBytes = requestBytes;
    reply.responseBytes = sent;
    reply.answeredMs = this.#answeredMs(startMs, nowMs);
    reply.durationMs = reply.answeredMs - startMs;
    const seen = COOKIE_COUNTS[answerer.cookie];
    if (seen !== undefined) this.#counters.count(seen);
    this.#counters.observe(
      this.#slot,
      reply.overTcp ? 1 : 0,
      reply.client.family === 4 ? 0 : 1,
      query.questionEnd === 0 ? 0 : query.qtype,
      answerer.rcode,
      requestBytes,
      sent,
      reply.durationMs,
    );
    this.#parts.onReply?.(reply);
    return sent;
  }

  /** When the reply is done: as the clock says, or as long after the packet came as others were. */
  #answeredMs(startMs: number, nowMs: number): number {
    const isAtOnce = startMs === nowMs;
    if (isAtOnce && this.#unmeasured > 0) {
      this.#unmeasured--;
      return nowMs + this.#elapsedMs;
    }
    const answeredMs = this.#parts.monotonic();
    if (isAtOnce) {
      this.#unmeasured = MEASURED - 1;
      this.#elapsedMs = answeredMs - startMs;
    }
    return answeredMs;
  }
}

/** By what the client has shown by its cookies; a client without any is not counted. */
const COOKIE_COUNTS: Readonly<Partial<Record<CookieVerdict, Count>>> = {
  [COOKIE.CLIENT_ONLY]: COUNT.COOKIE_CLIENT_ONLY,
  [COOKIE.VALID]: COUNT.COOKIE_VALID,
  [COOKIE.INVALID]: COUNT.COOKIE_INVALID,
};
