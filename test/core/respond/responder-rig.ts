import assert from 'node:assert/strict';
import { seededRandom } from '../../../src/core/base/random.ts';
import type { RateLimitConfig } from '../../../src/core/config/config.ts';
import { knownPrefix } from '../../../src/core/config/address-type.ts';
import type { AnswerTable } from '../../../src/core/dns/answer-table.ts';
import { DROP, FORWARD } from '../../../src/core/dns/answer.ts';
import { FLAG, OPTION } from '../../../src/core/dns/constants.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import { HotReplies } from '../../../src/core/forward/hot-replies.ts';
import { packReply } from '../../../src/core/forward/pack-reply.ts';
import type { ForwardQuestion, Resolution } from '../../../src/core/forward/resolution.ts';
import { compileSpecialZones } from '../../../src/core/forward/special-zones.ts';
import { DnsCounters } from '../../../src/core/respond/counters.ts';
import {
  type Reply,
  Responder,
  type ResponderSettings,
} from '../../../src/core/respond/responder.ts';
import {
  addressRecords,
  buildMessage,
  readEdnsOptions,
  readMessage,
  type ReadMessage,
  type TestMessage,
} from '../../support/dns-message.ts';
import {
  clientAt,
  compileZone,
  ip,
  manyAddresses,
  SETTINGS,
  TERMS,
} from '../../support/small-zone.ts';
import { PACK_RULES } from '../../support/stored-reply.ts';

/** Counter slot of `mesos.` in these tests. */
export const MESOS_SLOT = 7;

export const NO_LIMIT: RateLimitConfig = {
  responsesPerSecond: 0,
  errorsPerSecond: 0,
  exempt: [],
};

/** Inside `forward.allow`, outside it, and outside `dns.allow`, too. */
export const INSIDE = '10.0.0.1';
export const OUTSIDE = '203.0.113.7';
export const STRANGER = '198.51.100.9';

/** One address at web, forty at many. */
export function smallTable(ready = true): AnswerTable {
  return compileZone(
    (store) => {
      store.address('web.mesos.', ip('10.1.0.1'));
      for (const address of manyAddresses(40)) store.address('many.mesos.', address);
    },
    TERMS,
    ready,
  );
}

/** A question for the A records of a name, as a client with recursion asks it. */
export function questionOf(
  name: string,
  parts: Partial<Omit<ForwardQuestion, 'qname'>> = {},
): ForwardQuestion {
  const qname = parseWireName(name);
  assert.ok(qname !== null);
  const flags = { dnssecOk: false, checkingDisabled: false, recursionDesired: true };
  return { qname, qtype: 1, ...flags, ...parts };
}

/** What an upstream answers to a question, as it is kept; dated by `storedAt`, seconds. */
export function storedOf(
  question: ForwardQuestion,
  storedAt: number,
  parts: Omit<TestMessage, 'qname'> = {},
): Uint32Array {
  const { qname, qtype } = question;
  const reply = buildMessage({ flags: FLAG.QR, qname, qtype, ...parts });
  const stored = packReply(question, reply, PACK_RULES, storedAt);
  assert.ok(stored !== null);
  return stored;
}

/** `count` addresses of a name with a TTL of 100 s. */
export function storedAddresses(name: string, storedAt: number, count = 1): Uint32Array {
  const answer = addressRecords(name, count).map((record) => ({ ...record, ttl: 100 }));
  return storedOf(questionOf(name), storedAt, { answer });
}

/** How a query comes. */
export interface Coming {
  readonly from?: string;
  readonly overTcp?: boolean;
}

type Outcome = ReadMessage | 'drop' | 'forward';

/** A responder with its parts; the clock stands at `nowMs`. */
export class Rig {
  nowMs = 50_000;
  /** Wall clock. */
  wallSeconds = 1_700_000_000;
  readonly counters: DnsCounters = new DnsCounters(DnsCounters.create());
  readonly hot: HotReplies = new HotReplies(HotReplies.create(65_536));
  readonly prefetched: ForwardQuestion[] = [];
  /** Size of what was sent, by `onReply`. */
  readonly sent: number[] = [];
  readonly lasted: number[] = [];
  readonly responder: Responder;
  #forwarded = { message: new Uint8Array(0), startMs: 0 };
  readonly #out = new Uint8Array(65_535).fill(0xdd);

  constructor(settings: Partial<ResponderSettings> = {}) {
    const special = compileSpecialZones(
      { specialNames: 'local', privateReverse: 'local' },
      [],
      ['mesos.'],
    );
    assert.ok(special !== null);
    this.responder = new Responder(
      {
        answer: SETTINGS,
        cookieSecret: new Uint8Array(16).fill(3),
        allow: [knownPrefix('10.0.0.0/8'), knownPrefix('203.0.113.0/24'), knownPrefix('fd00::/8')],
        rateLimit: NO_LIMIT,
        recursionAvailable: true,
        forwards: true,
        forwardAllow: [knownPrefix('10.0.0.0/8'), knownPrefix('fd00::/8')],
        trusted: [knownPrefix('10.0.0.0/8'), knownPrefix('fd00::/8')],
        specialZones: special.buffer,
        ...settings,
      },
      {
        random: seededRandom(1),
        counters: this.counters,
        monotonic: () => this.nowMs,
        wallSeconds: () => this.wallSeconds,
        onPrefetch: (question) => this.prefetched.push(question),
        onReply: ({ responseBytes, durationMs }: Reply) => {
          this.sent.push(responseBytes);
          this.lasted.push(durationMs);
        },
      },
      {
        table: smallTable(),
        zoneSlots: Uint8Array.of(MESOS_SLOT),
        replies: this.hot.buffer,
      },
    );
  }

  /** What becomes of a packet. */
  handle(message: Uint8Array, { from = INSIDE, overTcp = false }: Coming = {}): Outcome {
    const client = clientAt(from);
    const { length } = message;
    const startMs = this.nowMs;
    const size = this.responder.respond(message, length, client, overTcp, startMs, this.#out);
    if (size === FORWARD) this.#forwarded = { message: new Uint8Array(message), startMs };
    return this.#read(size);
  }

  ask(message: TestMessage, coming: Coming = {}): Outcome {
    return this.handle(buildMessage(message), coming);
  }

  /** The answer to a question that has to have one. */
  answer(message: TestMessage, coming: Coming = {}): ReadMessage {
    const outcome = this.ask(message, coming);
    assert.ok(
      typeof outcome === 'object',
      `answered, not "${typeof outcome === 'string' ? outcome : ''}"`,
    );
    return outcome;
  }

  overload(message: TestMessage, from: string = INSIDE): Outcome {
    const bytes = buildMessage(message);
    const { overload } = this.responder;
    return this.#read(overload(bytes, bytes.length, clientAt(from), this.nowMs, this.#out));
  }

  /** The reply to the packet that was forwarded last. */
  resume(resolution: Resolution, { from = INSIDE, overTcp = false }: Coming = {}): ReadMessage {
    const { message, startMs } = this.#forwarded;
    const { responder } = this;
    const client = clientAt(from);
    const outcome = this.#read(
      responder.resume(message, client, overTcp, resolution, startMs, this.#out),
    );
    assert.ok(typeof outcome === 'object', 'there is a reply');
    return outcome;
  }

  #read(length: number): Outcome {
    if (length === DROP) return 'drop';
    if (length === FORWARD) return 'forward';
    const message = readMessage(this.#out.slice(0, length));
    assert.equal(message.trailing, 0);
    return message;
  }
}

/** The extended error of a reply such as `18 text`, or null. */
export function extendedError({ opt }: ReadMessage): string | null {
  const hex = readEdnsOptions(opt?.options ?? '').get(OPTION.EDE);
  if (hex === undefined) return null;
  const bytes = Buffer.from(hex, 'hex');
  return `${bytes.readUInt16BE(0)} ${bytes.toString('latin1', 2)}`.trimEnd();
}

/** The cookie option of a reply. */
export function cookieOf({ opt }: ReadMessage): Uint8Array {
  const hex = readEdnsOptions(opt?.options ?? '').get(OPTION.COOKIE);
  assert.ok(hex !== undefined, 'the reply has a cookie');
  return Buffer.from(hex, 'hex');
}
