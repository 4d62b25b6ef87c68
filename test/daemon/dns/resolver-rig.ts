import assert from 'node:assert/strict';
import { ReplyCache } from '../../../src/adapters/reply-cache.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import type { ForwardConfig, SocketAddress } from '../../../src/core/config/config.ts';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { Query } from '../../../src/core/dns/query.ts';
import { STORED, storedBodyAt } from '../../../src/core/dns/stored-reply.ts';
import { HotReplies } from '../../../src/core/forward/hot-replies.ts';
import { storedName } from '../../../src/core/forward/question-key.ts';
import type { ForwardQuestion, Resolution } from '../../../src/core/forward/resolution.ts';
import { FLIGHT_LIMITS, type FlightLimits } from '../../../src/daemon/dns/flights.ts';
import type { ResolverEvent } from '../../../src/daemon/dns/resolver-parts.ts';
import { Resolver } from '../../../src/daemon/dns/resolver.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import {
  addressRecords,
  buildMessage,
  ipv4,
  type ReadMessage,
  readMessage,
  type TestMessage,
  wireName,
} from '../../support/dns-message.ts';
import { isMesosName } from '../../support/stored-reply.ts';

export const UPSTREAM: SocketAddress = { address: '192.0.2.53', port: 53 };
export const CLIENT = '192.0.2.1';

type ForwardOverrides = Omit<Partial<ForwardConfig>, 'cache'> & {
  readonly cache?: Partial<ForwardConfig['cache']>;
};

export function forwardConfig({ cache, ...overrides }: ForwardOverrides = {}): ForwardConfig {
  return {
    enabled: true,
    upstreams: [UPSTREAM],
    zones: [],
    allow: [],
    policy: 'race',
    timeoutMs: 2_000,
    deadlineMs: 4_000,
    blockPrivate: false,
    blockPrivateExcept: [],
    specialNames: 'forward',
    privateReverse: 'forward',
    ...overrides,
    cache: {
      bytesMax: 1_000_000,
      ttlSecondsMin: 0,
      ttlSecondsMax: 86_400,
      negativeTtlSecondsMax: 900,
      staleSeconds: 0,
      prefetch: true,
      ...cache,
    },
  };
}

export function question(name: string, overrides: Partial<ForwardQuestion> = {}): ForwardQuestion {
  return {
    qname: new Uint8Array(wireName(name)),
    qtype: TYPE.A,
    dnssecOk: false,
    checkingDisabled: false,
    recursionDesired: true,
    ...overrides,
  };
}

const REPLY = FLAG.QR | FLAG.RD | FLAG.RA;

/** A good answer: `addresses` of one name. */
export function addresses(name: string, ttl = 60, count = 1): TestMessage {
  const answer = addressRecords(name, count).map((record) => ({ ...record, ttl }));
  return { qname: name, flags: REPLY, answer };
}

/** NXDOMAIN of `zone` for `ttl` seconds. */
export function nxdomain(name: string, zone: string, ttl = 60): TestMessage {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(ttl, 16);
  const rdata = Buffer.concat([wireName(`ns.${zone}`), wireName(`root.${zone}`), numbers]);
  const authority = [{ name: zone, type: TYPE.SOA, ttl, rdata }];
  return { qname: name, flags: REPLY | RCODE.NXDOMAIN, authority };
}

/** An answer that is none. */
export function refusal(name: string, rcode: number): TestMessage {
  return { qname: name, flags: REPLY | rcode };
}

/** `name` is an alias of a name that does not exist. */
export function deniedAlias(name: string, target: string, zone: string): TestMessage {
  const alias = { name, type: TYPE.CNAME, ttl: 60, rdata: wireName(target) };
  return { ...nxdomain(name, zone), answer: [alias] };
}

export const timeout = (): DaemonError =>
  new DaemonError('upstream-timeout', 'no upstream answered: 192.0.2.53:53 timeout');

/** One call of `ask` that has not been answered. */
export interface Ask {
  readonly name: string;
  readonly qtype: number;
  readonly upstreams: readonly SocketAddress[];
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly answer: (message: TestMessage | Uint8Array) => void;
  readonly fail: (error: Error) => void;
}

export interface RigOptions {
  readonly config?: ForwardOverrides;
  readonly limits?: Partial<FlightLimits>;
}

/** Lets everything happen that is due without time passing. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A resolver whose upstreams are the test, and whose time stands still. */
export class ResolverRig {
  readonly clock: ManualClock = new ManualClock();
  readonly resolver: Resolver;
  readonly cache: ReplyCache;
  /** Everything that upstreams were ever asked. */
  readonly asks: Ask[] = [];
  readonly events: Map<ResolverEvent, number> = new Map<ResolverEvent, number>();
  readonly logged: string[] = [];
  /** What the UDP threads look into, and how often they were given another. */
  hot: HotReplies;
  published = 0;
  upstreamsOf: () => readonly SocketAddress[] | Promise<readonly SocketAddress[]> = () => [
    UPSTREAM,
  ];

  constructor({ config, limits }: RigOptions = {}) {
    const settings = forwardConfig(config);
    this.cache = new ReplyCache(settings.cache.bytesMax);
    const log = (event: string): void => void this.logged.push(event);
    this.resolver = new Resolver(
      {
        clock: this.clock,
        log: { debug: log, info: log, warn: log, error: log },
        cache: this.cache,
        ask: (...query) => this.#ask(...query),
        upstreamsOf: () => this.upstreamsOf(),
        isOwnName: isMesosName,
        publishReplies: (replies) => {
          this.hot = new HotReplies(replies);
          this.published++;
        },
        observe: (event) => this.events.set(event, this.count(event) + 1),
      },
      settings,
      { ...FLIGHT_LIMITS, ...limits },
    );
    this.hot = new HotReplies(this.resolver.hotReplies);
  }

  count(event: ResolverEvent): number {
    return this.events.get(event) ?? 0;
  }

  /** The call that came last. */
  get lastAsk(): Ask {
    const last = this.asks.at(-1);
    assert.ok(last !== undefined, 'an upstream was asked');
    return last;
  }

  resolve(name: string, client: string = CLIENT): Promise<Resolution> {
    return this.resolver.resolve(question(name), client);
  }

  /** Asks, and has the upstream answer or fail. */
  async exchange(
    asked: string | ForwardQuestion,
    outcome: TestMessage | Uint8Array | Error,
  ): Promise<Resolution> {
    const asksBefore = this.asks.length;
    const one = typeof asked === 'string' ? question(asked) : asked;
    const resolution = this.resolver.resolve(one, CLIENT);
    await settled();
    assert.equal(this.asks.length, asksBefore + 1, 'an upstream is asked');
    if (outcome instanceof Error) this.lastAsk.fail(outcome);
    else this.lastAsk.answer(outcome);
    return resolution;
  }

  /** Advances time with all that follows from it. */
  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await settled();
  }

  /** Offset of a hot reply, 0 if there is none. */
  hotOffset(one: ForwardQuestion): number {
    const query = new Query();
    const message = buildMessage({ qname: one.qname, qtype: one.qtype });
    query.parse(message, message.length);
    return this.hot.find(query, 4);
  }

  isHot(name: string): boolean {
    return this.hotOffset(question(name)) !== 0;
  }

  #ask(
    query: Uint8Array,
    upstreams: readonly SocketAddress[],
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { qname, qtype } = readMessage(query);
    return new Promise((resolve, reject) => {
      this.asks.push({
        name: qname ?? '',
        qtype: qtype ?? 0,
        upstreams,
        deadlineMs,
        signal,
        answer: (m) => resolve(m instanceof Uint8Array ? m : buildMessage(m, true)),
        fail: reject,
      });
    });
  }
}

/** What a client gets to see of a resolution, such as `10.0.0.1` or `SERVFAIL 13 timeout`. */
export function shown(resolution: Resolution): string {
  if (resolution.kind === 'failure') {
    const { rcode, ede, text } = resolution;
    return `${rcode === RCODE.REFUSED ? 'REFUSED' : 'SERVFAIL'} ${ede} ${text}`;
  }
  const { rcode, answer } = messageOf(resolution.reply);
  const what = answer.length > 0 ? answer.map(({ data }) => data).join() : `rcode ${rcode}`;
  return resolution.stale ? `stale ${what}` : what;
}

/** `shown` of the reply of `addresses`. */
export const FIRST_ADDRESS: string = Buffer.from(ipv4('203.0.113.1')).toString('hex');

/** Whether a promise has no value yet. */
export async function isWaiting(resolution: Promise<Resolution>): Promise<boolean> {
  await settled();
  return (await Promise.race([resolution, Promise.resolve('waiting')])) === 'waiting';
}

/** The message that a stored reply stands for, without OPT. */
export function messageOf(reply: Uint32Array): ReadMessage {
  const bytes = new Uint8Array(reply.buffer, reply.byteOffset, reply.byteLength);
  const bodyAt = storedBodyAt(reply, 0);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(FLAG.QR | reply[STORED.FLAGS]!, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(reply[STORED.ANSWER_AUTHORITY]! >>> 16, 6);
  header.writeUInt16BE(reply[STORED.ANSWER_AUTHORITY]! & 0xffff, 8);
  header.writeUInt16BE(reply[STORED.ADDITIONAL]!, 10);
  const type = Buffer.from([0, 0, 0, 1]);
  type.writeUInt16BE(reply[STORED.KEY]! >>> 16);
  const body = bytes.subarray(bodyAt, bodyAt + reply[STORED.BODY_BYTES]!);
  return readMessage(Buffer.concat([header, storedName(reply), type, body]));
}
