import { assert } from '../base/assert.ts';
import type { Random } from '../base/random.ts';
import type { ServerCookies } from '../guard/server-cookie.ts';
import { writeAliasedRrset, writeAliasedSoa } from './alias-answer.ts';
import { type AnswerTable, NO_ZONE } from './answer-table.ts';
import { ChaosAnswers } from './chaos-answer.ts';
import {
  CLASS,
  EDE,
  FLAG,
  MESSAGE_BYTES_MAX,
  OPCODE_MASK,
  RCODE,
  RCODE_MASK,
  TYPE,
  UDP_PLAIN_BYTES_MAX,
} from './constants.ts';
import { type Asking, COOKIE, type CookieVerdict, EdnsReply } from './edns-reply.ts';
import { FORM, type Form, isServedClass, Query } from './query.ts';
import { ReplyMessage } from './reply-message.ts';
import { writeStoredRecords } from './stored-answer.ts';
import { OWN_NAME, OWN_NAME_WORDS, STORED, storedOwnNameAt } from './stored-reply.ts';
import { writeNegativeSoa, writeRrset } from './zone-answer.ts';

export { type Asking, COOKIE, type CookieVerdict } from './edns-reply.ts';

/** Verdicts besides a length: no reply at all, */
export const DROP = 0;
/** a name that the table does not know the zone of, */
export const FORWARD = -1;
/** a good question, that the reply has begun to. */
export const PENDING = -2;

export interface AnswerSettings {
  /** Largest UDP answer and the size we announce (RFC 6891 §6.2.3); at least 512. */
  readonly udpPayloadSize: number;
  /** TC bit of cut answers from our zones. */
  readonly truncateBit: boolean;
  /** Name of this server, for those who ask (RFC 5001); empty: none. */
  readonly nsid: Uint8Array;
  /** What `id.server` and `version.server` of class CH say (RFC 4892); null: they are refused. */
  readonly chaos: { readonly id: string; readonly version: string } | null;
  /** How long a connection may be idle (RFC 7828). */
  readonly tcpIdleMs: number;
}

/**
 * Answers queries byte for byte, without allocating. One per thread: `begin` reads a query and
 * answers what is none; what comes back as PENDING is then answered by one of the other methods,
 * which return the length of the reply. Each of them starts the reply anew, so one that is written
 * can be taken back by another.
 */
export class Answerer {
  /** The query begun last. */
  readonly query: Query = new Query();
  /** Zone index that answered last, NO_ZONE for refusals and names outside the table. */
  zone: number = NO_ZONE;
  /** Response code of the last reply, extended ones whole: the header has only its low 4 bits. */
  rcode: number = RCODE.NOERROR;
  readonly #settings: AnswerSettings;
  readonly #random: Random;
  readonly #reply = new ReplyMessage();
  readonly #edns: EdnsReply;
  readonly #cookies: ServerCookies | null;
  readonly #chaos: ChaosAnswers;
  #replyBytesMax: number = UDP_PLAIN_BYTES_MAX;
  /** RA, if this client may use the forwarder. */
  #ra = 0;

  constructor(settings: AnswerSettings, cookies: ServerCookies | null, random: Random) {
    assert(settings.udpPayloadSize >= UDP_PLAIN_BYTES_MAX, 'every client takes 512 octets');
    this.#settings = settings;
    this.#random = random;
    this.#cookies = cookies;
    this.#edns = new EdnsReply(settings, cookies);
    this.#chaos = new ChaosAnswers(settings.chaos);
  }

  /** What the client has shown by its cookies. */
  get cookie(): CookieVerdict {
    return this.#edns.cookie;
  }

  /** Octets that the reply may have. */
  get replyBytesMax(): number {
    return this.#replyBytesMax;
  }

  /**
   * Reads `length` octets of `message` and starts a reply in `out`: PENDING for a good question,
   * DROP for what gets no reply, or the length of one that is done. `out` has 65,535 octets over
   * TCP, `udpPayloadSize` over UDP. It, the message and the client's address are read until the
   * reply is written.
   */
  begin(message: Uint8Array, length: number, asking: Asking, out: Uint8Array): number {
    const { query } = this;
    const edns = this.#edns;
    this.zone = NO_ZONE;
    const form = query.parse(message, length);
    edns.begin(query, message, asking);
    const bytesMax = asking.overTcp ? MESSAGE_BYTES_MAX : this.#udpBytesMax(asking);
    edns.fit(query, bytesMax - query.questionEnd);
    this.#replyBytesMax = bytesMax;
    this.#ra = asking.recursionAvailable ? FLAG.RA : 0;
    if (form === FORM.DROP) return DROP;
    this.#reply.begin(out, message, query.questionEnd, bytesMax - edns.bytes);
    const rcode = this.#protocolRcode(form, asking.overTcp);
    if (rcode !== RCODE.NOERROR) return this.#finish(rcode, 0);
    if (form === FORM.COOKIE) return this.#finish(RCODE.NOERROR, 0);
    return query.qclass === CLASS.CH ? this.#answerChaos() : PENDING;
  }

  #udpBytesMax({ unprovenBytesMax }: Asking): number {
    const bytesMax = Math.min(this.query.udpPayloadSize, this.#settings.udpPayloadSize);
    return this.cookie === COOKIE.VALID ? bytesMax : Math.min(bytesMax, unprovenBytesMax);
  }

  /** Rcode of what cannot be answered whatever the name, NOERROR for all else. */
  #protocolRcode(form: Form, overTcp: boolean): number {
    const { query } = this;
    switch (form) {
      case FORM.NOTIMP:
        return RCODE.NOTIMP;
      case FORM.NOTIFY:
        return RCODE.REFUSED;
      case FORM.FORMERR:
        return RCODE.FORMERR;
      default:
    }
    // RFC 7828 §3.2.1: no client has a timeout to tell; over UDP the option means nothing at all.
    if (overTcp && query.keepaliveLength > 0) return RCODE.FORMERR;
    if (query.ednsVersion > 0) return RCODE.BADVERS;
    if (query.tsig) return RCODE.NOTAUTH;
    if (form === FORM.COOKIE) {
      if (this.#cookies === null) return RCODE.FORMERR;
      return this.cookie === COOKIE.INVALID ? RCODE.BADCOOKIE : RCODE.NOERROR;
    }
    if (query.qclass === CLASS.CH) return RCODE.NOERROR;
    return isServedClass(query.qclass) ? metaTypeRcode(query.qtype) : RCODE.REFUSED;
  }

  #answerChaos(): number {
    const { qtype } = this.query;
    if (qtype !== TYPE.TXT && qtype !== TYPE.ANY) return this.#finish(RCODE.REFUSED, 0);
    const found = this.#chaos.write(this.#reply, this.query);
    return found ? this.#finish(RCODE.NOERROR, FLAG.AA | this.#ra) : this.#finish(RCODE.REFUSED, 0);
  }

  /**
   * Answers the question begun from a table; FORWARD if it is outside all its zones, and no stray
   * name. `node` is that of the name, 0 if there is none: given where it is not simply the one of that
   * name. `ede` goes with the answer, 0 for none.
   */
  answerFrom(table: AnswerTable, node: number = this.#find(table), ede = 0): number {
    const { query } = this;
    const zone = node === 0 ? table.zoneOf(query.name, query.nameLength) : table.zoneIndex(node);
    this.zone = zone;
    if (zone === NO_ZONE && (node === 0 || !table.isStray(node))) return FORWARD;
    if (!table.ready) return this.fail(RCODE.SERVFAIL, EDE.NOT_READY, '');
    const reply = this.#reply;
    reply.rewind();
    const flags = FLAG.AA | this.#ra;
    const rrset = node === 0 ? 0 : rrsetOf(table, node, query.qtype);
    if (rrset === 0) {
      const rcode = node === 0 ? RCODE.NXDOMAIN : RCODE.NOERROR;
      // A stray name has no SOA to show, and so nobody keeps that it lacks a type (RFC 2308 §5).
      const whole = zone === NO_ZONE || writeNegativeSoa(reply, table, zone, query.nameLength);
      return this.#finish(rcode, whole ? flags : flags | FLAG.TC, ede);
    }
    const whole = writeRrset(reply, table, rrset, this.#random);
    const truncated = !whole && this.#settings.truncateBit ? FLAG.TC : 0;
    return this.#finish(RCODE.NOERROR, flags | truncated, ede);
  }

  #find(table: AnswerTable): number {
    const { query } = this;
    return table.findWords(query.nameWords, query.nameLength, query.hash);
  }

  /**
   * Answers the question begun with the STORED reply at octet `at`, which is one to it. `nowSeconds`
   * is monotonic. With `staleTtl` above 0 the reply has ended: its TTLs are not above that, and the
   * client is told (RFC 8767 §4).
   */
  answerStored(
    words: Uint32Array,
    bytes: Uint8Array,
    at: number,
    nowSeconds: number,
    staleTtl: number,
  ): number {
    const head = at >>> 2;
    const reply = this.#reply;
    this.zone = NO_ZONE;
    reply.rewind();
    const ageSeconds = Math.max(0, nowSeconds - words[head + STORED.STORED_AT]!);
    const whole = writeStoredRecords(reply, words, bytes, at, ageSeconds, staleTtl);
    const stored = words[head + STORED.FLAGS]!;
    const rcode = stored & RCODE_MASK;
    let flags = this.#ra | (whole ? stored & FLAG.TC : FLAG.TC);
    // RFC 6840 §5.8: AD is for those who show that they know it.
    if (this.query.dnssecOk || (this.query.flags & FLAG.AD) !== 0) flags |= stored & FLAG.AD;
    if (staleTtl === 0) return this.#finish(rcode, flags, words[head + STORED.EDE]);
    const stale = rcode === RCODE.NXDOMAIN ? EDE.STALE_NXDOMAIN : EDE.STALE_ANSWER;
    return this.#finish(rcode, flags, stale);
  }

  /**
   * Answers the question begun with the STORED aliases at octet `at`, which lead to a name of ours,
   * and with what the table has of that: its is the response code, too (RFC 6604 §2.1). Cut replies
   * have TC, as the aliases are not ours. `ede` is of the table; otherwise as `answerStored`.
   * FORWARD if the name is in none of its zones.
   */
  answerAliased(
    table: AnswerTable,
    words: Uint32Array,
    bytes: Uint8Array,
    at: number,
    nowSeconds: number,
    staleTtl: number,
    ede: number,
  ): number {
    const own = storedOwnNameAt(words, at);
    const ownAt = 4 * (own + OWN_NAME_WORDS);
    const lengthPointer = words[own + OWN_NAME.LENGTH_POINTER]!;
    const length = lengthPointer & 0xffff;
    const node = table.find(bytes, ownAt, length, words[own + OWN_NAME.HASH]!);
    const zone = node === 0 ? table.zoneOf(bytes, length, ownAt) : table.zoneIndex(node);
    this.zone = NO_ZONE;
    if (zone === NO_ZONE) return FORWARD;
    if (!table.ready) return this.fail(RCODE.SERVFAIL, EDE.NOT_READY, '');
    const reply = this.#reply;
    reply.rewind();
    const ageSeconds = Math.max(0, nowSeconds - words[(at >>> 2) + STORED.STORED_AT]!);
    let whole = writeStoredRecords(reply, words, bytes, at, ageSeconds, staleTtl);
    const rrset = node === 0 ? 0 : rrsetOf(table, node, this.query.qtype);
    if (whole) {
      whole =
        rrset === 0
          ? writeAliasedSoa(reply, table, zone)
          : writeAliasedRrset(reply, table, rrset, lengthPointer >>> 16, this.#random);
    }
    const rcode = node === 0 ? RCODE.NXDOMAIN : RCODE.NOERROR;
    const tc = whole ? words[(at >>> 2) + STORED.FLAGS]! & FLAG.TC : FLAG.TC;
    return this.#finish(rcode, this.#ra | tc, staleTtl > 0 ? EDE.STALE_ANSWER : ede);
  }

  /**
   * Refusal or failure of the question begun; the reason goes to those who read EDE (RFC 8914):
   * none if `ede` is EDE.OTHER and the text empty.
   */
  fail(rcode: number, ede: number, text: string): number {
    this.#reply.rewind();
    return this.#finish(rcode, this.#ra, ede, text);
  }

  /** No records and TC: a client that is real asks again over TCP. */
  truncate(): number {
    this.#reply.rewind();
    return this.#finish(RCODE.NOERROR, this.#ra | FLAG.TC);
  }

  /**
   * A new server cookie, that a client whose address is its own asks again with (RFC 7873 §5.2.3);
   * one that sent none of its own gets `truncate`.
   */
  badCookie(): number {
    if (this.cookie === COOKIE.NONE) return this.truncate();
    this.#reply.rewind();
    return this.#finish(RCODE.BADCOOKIE, this.#ra);
  }

  /** Writes the header and our OPT record; returns the length of the message. */
  #finish(rcode: number, flags: number, ede = 0, text = ''): number {
    const { query } = this;
    const reply = this.#reply;
    this.rcode = rcode;
    // Mesos-DNS clears RD where it could not read the message; scripts compare whole headers.
    const copied = rcode === RCODE.FORMERR ? OPCODE_MASK : OPCODE_MASK | FLAG.RD | FLAG.CD;
    reply.writeHeader(
      FLAG.QR | (query.flags & copied) | flags | (rcode & RCODE_MASK),
      query.edns ? 1 : 0,
    );
    // OPT goes into every reply to a query that had one (RFC 6891 §6.1.1).
    if (query.edns) this.#edns.write(reply, rcode, ede, text, this.#replyBytesMax);
    return reply.at;
  }
}

/** RRset that answers a question for `qtype`, 0 for none. */
function rrsetOf(table: AnswerTable, node: number, qtype: number): number {
  // RFC 8482 §4.1: ANY gets one RRset, which no attacker can turn into a flood.
  if (qtype === TYPE.ANY) return table.rrsetCount(node) > 0 ? table.rrsetAt(node, 0) : 0;
  return table.rrset(node, qtype);
}

/** Rcode of question types that no zone can answer (RFC 6895 §3.1), NOERROR for all others. */
function metaTypeRcode(qtype: number): number {
  switch (qtype) {
    case TYPE.OPT:
      return RCODE.FORMERR;
    case TYPE.TKEY:
    case TYPE.TSIG:
    case TYPE.MAILA:
    case TYPE.MAILB:
      return RCODE.NOTIMP;
    // D24: zone transfers are refused, over either transport.
    case TYPE.AXFR:
    case TYPE.IXFR:
      return RCODE.REFUSED;
    default:
      return RCODE.NOERROR;
  }
}
