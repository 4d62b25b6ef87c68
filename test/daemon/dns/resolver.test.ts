import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SocketAddress } from '../../../src/core/config/config.ts';
import { EDE, RCODE, TYPE } from '../../../src/core/dns/constants.ts';
import { FLIGHT_LIMITS } from '../../../src/daemon/dns/flights.ts';
import type { Resolution } from '../../../src/core/forward/resolution.ts';
import {
  addresses,
  CLIENT,
  FIRST_ADDRESS,
  isWaiting,
  messageOf,
  nxdomain,
  question,
  refusal,
  ResolverRig,
  settled,
  shown,
  timeout,
  UPSTREAM,
} from './resolver-rig.ts';

const NAME = 'www.example.org.';

test('a reply answers the next question with what is left of its lifetime, and nobody is asked', async () => {
  const rig = new ResolverRig({ config: { cache: { prefetch: false } } });
  assert.equal(shown(await rig.exchange(NAME, addresses(NAME, 60))), FIRST_ADDRESS);
  await rig.pass(59_000);
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  assert.equal(rig.asks.length, 1);
  await rig.pass(1_000);
  const late = rig.resolve(NAME);
  assert.ok(await isWaiting(late), 'its time is over');
  assert.equal(rig.asks.length, 2);
  rig.lastAsk.answer(addresses(NAME));
  assert.equal(shown(await late), FIRST_ADDRESS);
});

test('the time since the question counts, not since its second began', async () => {
  const rig = new ResolverRig();
  await rig.pass(999);
  await rig.exchange(NAME, addresses(NAME, 1));
  await rig.pass(1);
  assert.ok(await isWaiting(rig.resolve(NAME)), 'a lifetime is never rounded up');
});

test('type, DO, CD and RD make another question', async () => {
  const rig = new ResolverRig();
  const others = [
    { qtype: TYPE.AAAA },
    { dnssecOk: true },
    { checkingDisabled: true },
    { recursionDesired: false },
  ];
  await rig.exchange(NAME, addresses(NAME));
  for (const other of others) await rig.exchange(question(NAME, other), nxdomain(NAME, 'org.'));
  assert.equal(rig.asks.length, 5);
  assert.deepEqual(rig.asks[1]?.qtype, TYPE.AAAA);
  for (const other of others) await rig.resolver.resolve(question(NAME, other), CLIENT);
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  assert.equal(rig.asks.length, 5);
});

test('the UDP threads get a reply at its second demand', async () => {
  const rig = new ResolverRig();
  await rig.exchange(NAME, addresses(NAME));
  assert.ok(!rig.isHot(NAME), 'one demand may be the only one');
  await rig.resolve(NAME);
  assert.ok(rig.isHot(NAME));
  assert.equal(rig.published, 0, 'in the memory that they look into already');
});

test('a flood of names that are asked for once leaves the memory of the UDP threads alone', async () => {
  const rig = new ResolverRig();
  for (let i = 0; i < 300; i++) {
    await rig.exchange(`x${i}.example.org.`, nxdomain(`x${i}.example.org.`, 'example.org.'));
  }
  assert.equal(rig.hot.count, 0);
  assert.equal(rig.resolver.stats().entries, 300);
});

test('a hot reply that has ended is replaced by the answer to the question that finds out', async () => {
  const rig = new ResolverRig();
  await rig.exchange(NAME, addresses(NAME, 5));
  await rig.resolve(NAME);
  const before = rig.hotOffset(question(NAME));
  await rig.pass(5_000);
  await rig.exchange(NAME, addresses(NAME, 5));
  assert.notEqual(rig.hotOffset(question(NAME)), before);
});

test('a question that waits is asked once, and all clients get its answer', async () => {
  const rig = new ResolverRig();
  const all = Array.from({ length: 20 }, (_, i) => rig.resolve(NAME, `192.0.2.${i}`));
  await settled();
  assert.equal(rig.asks.length, 1);
  assert.equal(rig.resolver.stats().waiters, 20);
  rig.lastAsk.answer(addresses(NAME));
  const shownToAll = new Set((await Promise.all(all)).map(shown));
  assert.deepEqual([...shownToAll], [FIRST_ADDRESS]);
  assert.equal(rig.count('coalesced'), 19);
  assert.equal(rig.count('miss-positive'), 1);
  const { flights, waiters } = rig.resolver.stats();
  assert.deepEqual([flights, waiters], [0, 0]);
});

test('an answer with TTL 0 is for those who wait', async () => {
  const rig = new ResolverRig();
  const [first, second] = [rig.resolve(NAME), rig.resolve(NAME)];
  await settled();
  rig.lastAsk.answer(addresses(NAME, 0));
  assert.equal(shown(await first), FIRST_ADDRESS);
  assert.equal(shown(await second), FIRST_ADDRESS);
  assert.equal(rig.resolver.stats().entries, 0);
  await rig.exchange(NAME, addresses(NAME, 0));
  assert.equal(rig.asks.length, 2);
});

test('an answer without a lifetime puts an end to the one before', async () => {
  const rig = new ResolverRig({ config: { cache: { staleSeconds: 3600 } } });
  await rig.exchange(NAME, addresses(NAME, 1));
  await rig.pass(1_000);
  await rig.exchange(NAME, { ...nxdomain(NAME, 'org.'), authority: [] });
  const failed = await rig.exchange(NAME, timeout());
  assert.equal(failed.kind, 'failure', 'the old address is not given as stale');
});

test('an NXDOMAIN replaces an address that has ended', async () => {
  const rig = new ResolverRig({ config: { cache: { staleSeconds: 3600 } } });
  await rig.exchange(NAME, addresses(NAME, 1));
  await rig.pass(1_000);
  assert.equal(shown(await rig.exchange(NAME, nxdomain(NAME, 'org.', 1))), 'rcode 3');
  await rig.pass(1_000);
  assert.equal(shown(await rig.exchange(NAME, timeout())), 'stale rcode 3');
});

const refusedFor = async (rig: ResolverRig, name: string, client: string): Promise<string> => {
  const asksBefore = rig.asks.length;
  const resolution = rig.resolve(name, client);
  assert.ok(!(await isWaiting(resolution)), 'it is answered at once');
  assert.equal(rig.asks.length, asksBefore);
  return shown(await resolution);
};

test('beyond 1,000 questions under way the next one fails at once', async () => {
  const rig = new ResolverRig();
  const all: Promise<Resolution>[] = [];
  for (let i = 0; i < FLIGHT_LIMITS.flights; i++) all.push(rig.resolve(`x${i}.org.`, '127.0.0.1'));
  await settled();
  assert.equal(rig.asks.length, 1_000);
  assert.match(await refusedFor(rig, NAME, CLIENT), /^SERVFAIL 0 too many questions wait/);
  assert.equal(rig.count('rejected-flights'), 1);
  // One that is under way already can be waited for.
  assert.ok(await isWaiting(rig.resolve('x0.org.')));
  rig.asks[0]?.answer(addresses('x0.org.'));
  await all[0];
  assert.ok(await isWaiting(rig.resolve(NAME)), 'there is room again');
});

test('beyond 4,000 waiting clients the next one fails at once', async () => {
  const rig = new ResolverRig();
  const all: Promise<Resolution>[] = [];
  for (let i = 0; i < 4_000; i++) all.push(rig.resolve('x.org.', `10.0.${i >>> 8}.${i & 255}`));
  await settled();
  assert.match(await refusedFor(rig, 'x.org.', CLIENT), /^SERVFAIL 0 too many clients wait/);
  assert.equal(rig.count('rejected-waiters'), 1);
  rig.lastAsk.answer(addresses('x.org.'));
  assert.equal((await Promise.all(all)).filter(({ kind }) => kind === 'reply').length, 4_000);
});

test('beyond 250 waiting questions of one client its next one fails at once, and only its', async () => {
  const rig = new ResolverRig();
  for (let i = 0; i < 250; i++) void rig.resolve(`x${i}.org.`);
  await settled();
  assert.match(
    await refusedFor(rig, NAME, CLIENT),
    /^SERVFAIL 0 too many questions of this client/,
  );
  assert.match(await refusedFor(rig, 'x0.org.', CLIENT), /this client/);
  assert.equal(rig.count('rejected-client'), 2);
  assert.ok(await isWaiting(rig.resolve(NAME, '192.0.2.2')));
});

test('programs of the node are one client with room for 3,500', async () => {
  const rig = new ResolverRig();
  const local = (i: number): string =>
    ['127.0.0.1', '::1', '127.1.2.3', '::ffff:127.0.0.1'][i % 4]!;
  for (let i = 0; i < 3_500; i++) void rig.resolve('x.org.', local(i));
  await settled();
  for (let i = 0; i < 4; i++) {
    assert.match(await refusedFor(rig, 'x.org.', local(i)), /this client/);
  }
  assert.ok(await isWaiting(rig.resolve('x.org.', '::12')), 'others have their room');
});

test('without an upstream a question is refused, and the next one looks for upstreams again', async () => {
  const rig = new ResolverRig();
  rig.upstreamsOf = () => [];
  const refused = await rig.resolve(NAME);
  assert.equal(refused.kind === 'failure' && refused.rcode, RCODE.REFUSED);
  assert.equal(refused.kind === 'failure' && refused.ede, EDE.PROHIBITED);
  rig.upstreamsOf = () => Promise.resolve([UPSTREAM]);
  assert.equal(shown(await rig.exchange(NAME, addresses(NAME))), FIRST_ADDRESS);
  assert.deepEqual(rig.lastAsk.upstreams, [UPSTREAM]);
});

test('the search for upstreams is part of the time that a question may take', async () => {
  const rig = new ResolverRig();
  let found: (upstreams: readonly SocketAddress[]) => void = () => assert.fail('nobody looks');
  rig.upstreamsOf = () =>
    new Promise((resolve) => {
      found = resolve;
    });
  const resolution = rig.resolve(NAME);
  await rig.pass(1_500);
  found([UPSTREAM]);
  await settled();
  assert.equal(rig.lastAsk.deadlineMs, 2_500);
  rig.lastAsk.answer(addresses(NAME));
  await resolution;
  const late = rig.resolve('x.org.');
  await rig.pass(4_500);
  found([UPSTREAM]);
  assert.match(shown(await late), /^SERVFAIL 0 the question waited too long/);
  assert.equal(rig.asks.length, 1, 'nobody is asked when it is over');
});

test('a question that nobody answers at all ends some time behind the deadline', async () => {
  const rig = new ResolverRig();
  const resolution = rig.resolve(NAME);
  await settled();
  await rig.pass(4_999);
  assert.ok(await isWaiting(resolution));
  await rig.pass(1);
  assert.equal(shown(await resolution), 'SERVFAIL 22 no answer before the deadline');
  rig.lastAsk.answer(addresses(NAME));
  await settled();
  assert.equal(rig.resolver.stats().entries, 0, 'what comes then comes too late');
  assert.equal(rig.clock.pending, 0);
});

test('an error of ours is logged and ends the question', async () => {
  const rig = new ResolverRig();
  assert.match(
    shown(await rig.exchange(NAME, new TypeError('a fault'))),
    /^SERVFAIL 0 an error of/,
  );
  assert.deepEqual(rig.logged, ['resolver-failed']);
  await rig.exchange(NAME, addresses(NAME));
});

test('what an upstream has no answer to is passed on as it is', async () => {
  const rig = new ResolverRig();
  for (const rcode of [RCODE.SERVFAIL, RCODE.REFUSED, RCODE.NOTIMP]) {
    const name = `rcode-${rcode}.org.`;
    const resolution = await rig.exchange(name, refusal(name, rcode));
    assert.ok(resolution.kind === 'reply' && !resolution.stale);
    assert.equal(messageOf(resolution.reply).rcode, rcode);
  }
  assert.equal(rig.count('miss-failure'), 3);
  assert.equal(rig.resolver.stats().entries, 0);
});
