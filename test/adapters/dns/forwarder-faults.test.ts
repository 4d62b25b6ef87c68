import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLAG, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { addressRecords, readMessage, wireName } from '../../support/dns-message.ts';
import { closedPort } from '../../support/dns-peer.ts';
import type { Script } from '../../support/dns-peer.ts';
import {
  DEADLINE_MS,
  QUERY,
  RESPONSE,
  TIMEOUT_MS,
  addresses,
  asked,
  openRig,
  outcomes,
  rejection,
  replyTo,
  silent,
  withRcode,
} from './forwarder-rig.ts';

interface Fault {
  readonly name: string;
  readonly script: Script;
  /** What comes of it if there is no other upstream. */
  readonly alone: string;
  /** It says nothing that counts. */
  readonly isSilent?: boolean;
  /** What comes of it if the second upstream is good and has one address. */
  readonly withGood?: string;
}

/** The first four replies that are wrong in some way, of which 20 would be needed. */
const wrong =
  (parts: (id: number) => Parameters<typeof replyTo>[1]): Script =>
  (query, reply) => {
    const { id } = readMessage(query.message);
    for (let i = 1; i <= 4; i++) reply(replyTo(query, parts(id ^ i)));
  };

const truncated: Script = (query, reply) => reply(replyTo(query, { flags: RESPONSE | FLAG.TC }));

const overTcp =
  (script: Script): Script =>
  (query, reply) =>
    (query.protocol === 'tcp' ? script : truncated)(query, reply);

const malformed: Script = (query, reply) => {
  const message = replyTo(query);
  message[7] = 9; // nine answers, none there
  reply(message);
};

const referral: Script = (query, reply) =>
  reply(
    replyTo(query, {
      flags: FLAG.QR,
      authority: [{ name: 'example.', type: TYPE.NS, rdata: wireName('a.iana-servers.net.') }],
    }),
  );

const FAULTS: readonly Fault[] = [
  { name: 'a black hole', script: silent, alone: 'upstream-timeout', isSilent: true },
  {
    name: 'one that lies about the id',
    script: wrong((id) => ({ id })),
    alone: 'upstream-timeout',
    isSilent: true,
  },
  {
    name: 'one that answers another question',
    script: wrong(() => ({ qname: 'evil.example.' })),
    alone: 'upstream-timeout',
    isSilent: true,
  },
  {
    name: 'one whose truncated reply is whole over TCP',
    script: overTcp(addresses(40)),
    alone: 'rcode 0, 40 records',
    withGood: 'rcode 0, 40 records',
  },
  {
    name: 'one with 64 KiB over TCP',
    script: overTcp(addresses(2500)),
    alone: 'rcode 0, 2500 records',
    withGood: 'rcode 0, 2500 records',
  },
  {
    name: 'one with nothing but NOERROR, which means that there are no such records',
    script: withRcode(RCODE.NOERROR),
    alone: 'rcode 0, 0 records',
    withGood: 'rcode 0, 0 records',
  },
  {
    name: 'one that knows that there is no such name',
    script: withRcode(RCODE.NXDOMAIN),
    alone: 'rcode 3, 0 records',
    withGood: 'rcode 3, 0 records',
  },
  {
    name: 'one with a name that became too long',
    script: withRcode(6),
    alone: 'rcode 6, 0 records',
    withGood: 'rcode 6, 0 records',
  },
  { name: 'one with SERVFAIL', script: withRcode(RCODE.SERVFAIL), alone: 'rcode 2, 0 records' },
  { name: 'one with REFUSED', script: withRcode(RCODE.REFUSED), alone: 'rcode 5, 0 records' },
  { name: 'one with NOTIMP', script: withRcode(RCODE.NOTIMP), alone: 'rcode 4, 0 records' },
  { name: 'one with FORMERR', script: withRcode(RCODE.FORMERR), alone: 'rcode 1, 0 records' },
  { name: 'one with NOTZONE', script: withRcode(10), alone: 'rcode 10, 0 records' },
  { name: 'one that is malformed', script: malformed, alone: 'upstream-failed' },
  { name: 'one malformed over TCP', script: overTcp(malformed), alone: 'rcode 0, 0 records' },
  { name: 'one that refers to others', script: referral, alone: 'upstream-failed' },
];

for (const { name, script, alone, isSilent = false, withGood } of FAULTS) {
  test(`upstreams: ${name}, alone`, async (t) => {
    const { clock, outcome, upstream } = openRig(t);
    const bad = await upstream(script);
    const answer = outcome([bad]);
    if (isSilent) {
      await asked(bad, 1);
      clock.advance(TIMEOUT_MS);
    }
    assert.equal(await answer, alone);
  });

  test(`upstreams: ${name}, and a good one`, async (t) => {
    const { clock, outcome, upstream } = openRig(t);
    const [bad, good] = [await upstream(script), await upstream(addresses(1))];
    const answer = outcome([bad, good]);
    if (isSilent) {
      await asked(bad, 1);
      clock.advance(399);
      assert.equal(good.received.length, 0);
      clock.advance(1);
    }
    assert.equal(await answer, withGood ?? 'rcode 0, 1 records');
    assert.equal(good.received.length, withGood === undefined ? 1 : 0);
    assert.equal(clock.monotonic(), isSilent ? 400 : 0, 'what is heard costs no time');
  });
}

test('upstreams: a closed port, alone and with a good one', async (t) => {
  const { exchanges, outcome, upstream } = openRig(t);
  const closed = { address: await closedPort() };
  assert.equal(await outcome([closed]), 'upstream-failed');
  assert.equal(await outcome([closed, await upstream(addresses(1))]), 'rcode 0, 1 records');
  assert.deepEqual(outcomes(exchanges.slice(1)), ['udp unreachable', 'udp rcode 0']);
});

test('upstreams: a slow one may answer while the next one is asked, and the first answer wins', async (t) => {
  for (const winner of ['slow', 'next'] as const) {
    const { clock, exchanges, outcome, upstream } = openRig(t);
    const answers: Record<string, () => void> = {};
    const holding =
      (name: string, count: number): Script =>
      (query, reply) =>
        (answers[name] = () => addresses(count)(query, reply));
    const slow = await upstream(holding('slow', 7));
    const next = await upstream(holding('next', 3));
    const answer = outcome([slow, next]);
    await asked(slow, 1);
    clock.advance(400);
    await asked(next, 1);
    answers[winner]?.();
    assert.equal(await answer, `rcode 0, ${winner === 'slow' ? 7 : 3} records`);
    assert.equal(exchanges.length, 1, 'the other one is cancelled, and no failure');
    assert.equal(exchanges[0]?.durationMs, winner === 'slow' ? 400 : 0);
  }
});

test('D27: a truncated reply keeps its TC when TCP fails, so it is no NODATA', async (t) => {
  const { forwarder, clock, exchanges, upstream } = openRig(t);
  const main = await upstream((query, reply) => {
    if (query.protocol === 'udp') truncated(query, reply);
  });
  const answer = forwarder.ask(QUERY, [main.address], DEADLINE_MS);
  await asked(main, 2);
  clock.advance(TIMEOUT_MS);
  const reply = readMessage(await answer);
  assert.deepEqual([reply.tc, reply.rcode, reply.answer.length], [true, 0, 0]);
  assert.deepEqual(outcomes(exchanges), ['udp rcode 0', 'tcp timeout']);
  assert.equal(forwarder.health()[0]?.failing, false);
});

test('a truncated reply that is cut inside a record is fetched over TCP, or keeps its head', async (t) => {
  const { forwarder, clock, upstream } = openRig(t);
  let hasTcp = true;
  const main = await upstream((query, reply) => {
    if (query.protocol === 'tcp') {
      if (hasTcp) addresses(3)(query, reply);
      return;
    }
    const answer = addressRecords('ok.example.', 3);
    const whole = replyTo(query, { flags: RESPONSE | FLAG.TC, answer });
    reply(whole.subarray(0, whole.length - 5));
  });
  const ask = () => forwarder.ask(QUERY, [main.address], DEADLINE_MS);
  assert.equal(readMessage(await ask()).answer.length, 3);
  hasTcp = false;
  const cut = ask();
  await asked(main, 4);
  clock.advance(TIMEOUT_MS);
  const reply = readMessage(await cut);
  assert.deepEqual([reply.tc, reply.qname, reply.trailing], [true, 'ok.example.', 0]);
});

test('an upstream that closes the connection without a reply has failed', async (t) => {
  const { exchanges, outcome, upstream } = openRig(t);
  const main = await upstream((query, reply) => {
    const { id } = readMessage(query.message);
    if (query.protocol === 'tcp') void main.close();
    else for (let i = 1; i <= 20; i++) reply(replyTo(query, { id: id ^ i }));
  });
  assert.equal(await outcome([main]), 'upstream-failed');
  assert.deepEqual(outcomes(exchanges), ['udp strays', 'tcp disconnected']);
});

for (const rcode of [RCODE.SERVFAIL, RCODE.REFUSED]) {
  test(`D23: after rcode ${rcode} the next upstream is asked`, async (t) => {
    const { outcome, upstream } = openRig(t);
    const upstreams = [await upstream(withRcode(rcode)), await upstream(addresses(1))];
    assert.equal(await outcome(upstreams), 'rcode 0, 1 records');
  });
}

test('D23: if nobody has an answer, the best of the other replies is passed on', async (t) => {
  const { forwarder, upstream } = openRig(t);
  const codes = [RCODE.FORMERR, RCODE.REFUSED, RCODE.SERVFAIL, RCODE.NOTIMP];
  const others = await Promise.all(codes.map((rcode) => upstream(withRcode(rcode))));
  const upstreams = [await closedPort(), ...others.map(({ address }) => address)];
  const reply = readMessage(await forwarder.ask(QUERY, upstreams, DEADLINE_MS));
  assert.deepEqual([reply.rcode, reply.qname], [RCODE.SERVFAIL, 'ok.example.']);
});

test('upstreams: bad ones only, each with its reason', async (t) => {
  const { forwarder, upstream } = openRig(t);
  const [lame, broken] = [await upstream(referral), await upstream(malformed)];
  const closed = await closedPort();
  const upstreams = [lame.address, broken.address, closed];
  const error = await rejection(forwarder.ask(QUERY, upstreams, DEADLINE_MS));
  assert.equal(error.code, 'upstream-failed');
  const reasons = ['lame', 'malformed', 'unreachable (ECONNREFUSED)'];
  const texts = upstreams.map(({ port }, i) => `127.0.0.1:${port}: ${reasons[i] ?? ''}`);
  assert.equal(error.message, texts.join('; '));
});

test('a referral is an answer to a query that wants no recursion', async (t) => {
  const { forwarder, upstream } = openRig(t);
  const main = await upstream(referral);
  const query = new Uint8Array(QUERY);
  query[2]! &= ~1;
  const reply = readMessage(await forwarder.ask(query, [main.address], DEADLINE_MS));
  assert.equal(reply.authority.length, 1);
});
