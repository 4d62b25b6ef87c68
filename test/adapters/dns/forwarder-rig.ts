import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createForwarder } from '../../../src/adapters/dns/forwarder.ts';
import type {
  ForwardExchange,
  Forwarder,
  ForwarderOptions,
} from '../../../src/adapters/dns/forwarder.ts';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { FLAG, TYPE } from '../../../src/core/dns/constants.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import type { ForwardQuestion } from '../../../src/core/forward/resolution.ts';
import { buildUpstreamQuery } from '../../../src/core/forward/upstream-query.ts';
import { addressRecords, buildMessage, readMessage } from '../../support/dns-message.ts';
import type { TestMessage } from '../../support/dns-message.ts';
import { openUpstream, until } from '../../support/dns-peer.ts';
import type { ReceivedQuery, Script, ScriptedUpstream } from '../../support/dns-peer.ts';
import { ManualClock } from '../manual-clock.ts';

/** Flags of a recursive resolver's reply. */
export const RESPONSE: number = FLAG.QR | FLAG.RD | FLAG.RA;

export const TIMEOUT_MS = 2_000;
/** More than three time-outs. */
export const DEADLINE_MS = 7_000;

/** The query for a question, of type A if not told otherwise. */
export function queryFor(name: string, parts: Partial<ForwardQuestion> = {}): Uint8Array {
  const qname = parseWireName(name);
  assert.ok(qname !== null);
  return buildUpstreamQuery({
    qname,
    qtype: TYPE.A,
    dnssecOk: false,
    checkingDisabled: false,
    recursionDesired: true,
    ...parts,
  });
}

export const QUERY: Uint8Array = queryFor('ok.example.');

/** A reply to `query` with its id and its question, letter for letter. */
export function replyTo({ message }: ReceivedQuery, rest: Partial<TestMessage> = {}): Uint8Array {
  const { id, qname, qtype, qclass } = readMessage(message);
  assert.ok(qname !== null && qtype !== null && qclass !== null);
  return buildMessage({ id, flags: RESPONSE, qname, qtype, qclass, ...rest });
}

/** Answers with `count` addresses. */
export const addresses =
  (count: number, rest: Partial<TestMessage> = {}): Script =>
  (query, reply) => {
    const name = readMessage(query.message).qname ?? '';
    reply(replyTo(query, { answer: addressRecords(name, count), ...rest }));
  };

export const withRcode =
  (rcode: number): Script =>
  (query, reply) =>
    reply(replyTo(query, { flags: RESPONSE | rcode }));

export const silent: Script = () => undefined;

/** An upstream whose behaviour can be changed. */
export interface Upstream extends ScriptedUpstream {
  script: Script;
}

/** A forwarder, its clock, and upstreams that are closed after the test. */
export interface Rig {
  readonly forwarder: Forwarder;
  readonly clock: ManualClock;
  readonly exchanges: readonly ForwardExchange[];
  readonly upstream: (script: Script, host?: string) => Promise<Upstream>;
  /** Rcode, or code of the error, that `ask` ends with. */
  readonly outcome: (
    upstreams: readonly Pick<Upstream, 'address'>[],
    query?: Uint8Array,
  ) => Promise<string>;
}

export function openRig(t: TestContext, options: Partial<ForwarderOptions> = {}): Rig {
  const clock = new ManualClock();
  const exchanges: ForwardExchange[] = [];
  const forwarder = createForwarder({
    policy: 'sequential',
    timeoutMs: TIMEOUT_MS,
    clock,
    onExchange: (exchange) => exchanges.push(exchange),
    ...options,
  });
  const upstreams: Upstream[] = [];
  t.after(async () => {
    forwarder.close();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
    assert.equal(forwarder.inflight, 0);
    assert.equal(clock.pending, 0, 'no timer is left behind');
  });
  const upstream = async (script: Script, host?: string): Promise<Upstream> => {
    const opened = await openUpstream((query, reply) => changeable.script(query, reply), host);
    const changeable = Object.assign(opened, { script });
    upstreams.push(changeable);
    return changeable;
  };
  const outcome: Rig['outcome'] = async (asked, query = QUERY) => {
    const addressed = asked.map(({ address }) => address);
    try {
      const reply = readMessage(await forwarder.ask(query, addressed, DEADLINE_MS));
      return `rcode ${reply.rcode}, ${reply.answer.length} records`;
    } catch (error) {
      assert.ok(error instanceof DaemonError);
      return error.code;
    }
  };
  return { forwarder, clock, exchanges, upstream, outcome };
}

/** The error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<DaemonError> {
  const error: unknown = await promise.then(
    () => null,
    (caught: unknown) => caught,
  );
  assert.ok(error instanceof DaemonError);
  return error;
}

/** What each exchange ended with, such as `udp rcode 0`. */
export const outcomes = (exchanges: readonly ForwardExchange[]): string[] =>
  exchanges.map(({ protocol, result }) =>
    result.kind === 'reply' ? `${protocol} rcode ${result.rcode}` : `${protocol} ${result.reason}`,
  );

/** Waits until an upstream has had so many queries. */
export const asked = (upstream: ScriptedUpstream, count: number): Promise<void> =>
  until(() => upstream.received.length === count, `${count} queries`);
