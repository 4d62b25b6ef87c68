import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TYPE } from '../../../src/core/dns/constants.ts';
import { wireName } from '../../support/dns-message.ts';
import {
  addresses,
  CLIENT,
  deniedAlias,
  FIRST_ADDRESS,
  forwardConfig,
  isWaiting,
  messageOf,
  nxdomain,
  question,
  ResolverRig,
  settled,
  shown,
  timeout,
} from './resolver-rig.ts';

const NAME = 'www.example.org.';

/** A resolver whose reply for NAME lives 100 s, is hot, and is about to end. */
async function nearTheEnd(rig: ResolverRig = new ResolverRig()): Promise<ResolverRig> {
  await rig.exchange(NAME, addresses(NAME, 100));
  await rig.resolve(NAME);
  await rig.pass(90_000);
  return rig;
}

test('a reply that a thread saw near its end is renewed, in the cache and for the threads', async () => {
  const rig = await nearTheEnd();
  const before = rig.hotOffset(question(NAME));
  rig.resolver.prefetch(question(NAME));
  await settled();
  assert.equal(rig.asks.length, 2);
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS, 'meanwhile nobody waits');
  rig.lastAsk.answer(addresses(NAME, 100));
  await settled();
  assert.notEqual(rig.hotOffset(question(NAME)), before);
  await rig.pass(80_000);
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  assert.equal(rig.asks.length, 2);
  assert.equal(rig.resolver.stats().prefetches, 1);
  assert.equal(rig.count('miss-positive'), 1, 'no client missed it');
});

test('what clients ask for here is renewed, too', async () => {
  const rig = await nearTheEnd();
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  await settled();
  assert.equal(rig.asks.length, 2);
});

test('a reply that was given once is left to end', async () => {
  const rig = new ResolverRig();
  await rig.exchange(NAME, addresses(NAME, 100));
  await rig.pass(90_000);
  rig.resolver.prefetch(question(NAME));
  await settled();
  assert.equal(rig.asks.length, 1);
});

test('what the threads give counts as given', async () => {
  const rig = await nearTheEnd();
  rig.resolver.prefetch(question(NAME));
  await settled();
  rig.lastAsk.answer(addresses(NAME, 100));
  await settled();
  await rig.pass(90_000);
  rig.resolver.prefetch(question(NAME));
  await settled();
  assert.equal(rig.asks.length, 2, 'nobody has had the new one yet');
  rig.hot.countHit(rig.hotOffset(question(NAME)));
  rig.hot.countHit(rig.hotOffset(question(NAME)));
  rig.resolver.prefetch(question(NAME));
  await settled();
  assert.equal(rig.asks.length, 3);
});

test('one renewal of a question is under way at a time, and clients wait for it if they must', async () => {
  const rig = await nearTheEnd();
  for (let i = 0; i < 3; i++) rig.resolver.prefetch(question(NAME));
  await rig.pass(3_999);
  assert.equal(rig.asks.length, 2);
  rig.lastAsk.answer(addresses(NAME, 100));
  await settled();
  await rig.pass(90_000);
  await rig.resolve(NAME);
  await rig.pass(9_000);
  rig.resolver.prefetch(question(NAME));
  await rig.pass(1_000);
  const resolution = rig.resolve(NAME);
  assert.ok(await isWaiting(resolution));
  rig.lastAsk.answer(addresses(NAME, 100));
  assert.equal(shown(await resolution), FIRST_ADDRESS);
  assert.equal(rig.asks.length, 3);
});

test('100 renewals are under way at once, and leave clients their room', async () => {
  const rig = new ResolverRig();
  const names = Array.from({ length: 150 }, (_, i) => `x${i}.org.`);
  for (const name of names) {
    await rig.exchange(name, addresses(name, 100));
    await rig.resolve(name);
  }
  await rig.pass(90_000);
  for (const name of names) rig.resolver.prefetch(question(name));
  await settled();
  assert.equal(rig.asks.length, 150 + 100);
  assert.equal(rig.resolver.stats().flights, 100);
  await rig.exchange(NAME, addresses(NAME));
  for (const ask of rig.asks.slice(150, 160)) ask.answer(addresses(ask.name, 100));
  await settled();
  for (const name of names.slice(100)) rig.resolver.prefetch(question(name));
  await settled();
  assert.equal(rig.resolver.stats().flights, 100, 'as soon as there is room');
});

test('nothing is renewed when there is no room for another question', async () => {
  const rig = new ResolverRig({ limits: { flights: 1 } });
  await nearTheEnd(rig);
  void rig.resolve('x.org.');
  rig.resolver.prefetch(question(NAME));
  await settled();
  assert.equal(rig.asks.length, 2);
});

test('a renewal that failed is not tried again at once, and the reply lives on to its end', async () => {
  const rig = await nearTheEnd();
  rig.resolver.prefetch(question(NAME));
  await settled();
  rig.lastAsk.fail(timeout());
  await settled();
  rig.resolver.prefetch(question(NAME));
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  await settled();
  assert.equal(rig.asks.length, 2);
  await rig.pass(1_000);
  rig.resolver.prefetch(question(NAME));
  await settled();
  assert.equal(rig.asks.length, 3);
});

test('nothing is renewed if the operator does not want it', async () => {
  const rig = new ResolverRig({ config: { cache: { prefetch: false } } });
  await nearTheEnd(rig);
  rig.resolver.prefetch(question(NAME));
  await rig.resolve(NAME);
  await settled();
  assert.equal(rig.asks.length, 1);
});

/** Asks for so many other names that the cache has no room for the first. */
async function pushOut(rig: ResolverRig): Promise<void> {
  for (let i = 0; i < 30; i++) await rig.exchange(`x${i}.org.`, addresses(`x${i}.org.`, 3_600));
}

test('a reply that threads give is renewed although the cache had to make room', async () => {
  const rig = new ResolverRig({ config: { cache: { bytesMax: 10_000 } } });
  await rig.exchange(NAME, addresses(NAME, 100));
  await rig.resolve(NAME);
  await pushOut(rig);
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  await rig.pass(90_000);
  rig.resolver.prefetch(question(NAME));
  await settled();
  assert.equal(rig.lastAsk.name, NAME);
  rig.lastAsk.answer(addresses(NAME, 100));
  await settled();
  await rig.pass(99_000);
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
});

test('such a reply may be given as stale, unless an answer came that has no lifetime', async () => {
  const cache = { bytesMax: 10_000, staleSeconds: 3_600, prefetch: false };
  const rig = new ResolverRig({ config: { cache } });
  await rig.exchange(NAME, addresses(NAME, 10));
  await rig.resolve(NAME);
  await pushOut(rig);
  await rig.pass(10_000);
  assert.equal(shown(await rig.exchange(NAME, timeout())), `stale ${FIRST_ADDRESS}`);
  await rig.pass(30_000);
  await rig.exchange(NAME, addresses(NAME, 0));
  assert.match(shown(await rig.exchange(NAME, timeout())), /^SERVFAIL/);
});

test('below a name that does not exist nothing does, and nobody is asked', async () => {
  const rig = new ResolverRig();
  await rig.exchange('corp.example.', nxdomain('corp.example.', 'example.', 60));
  const below = await rig.resolve('a.b.corp.example.');
  assert.ok(below.kind === 'reply' && !below.stale);
  const { qname, rcode, authority } = messageOf(below.reply);
  assert.deepEqual([qname, rcode], ['a.b.corp.example.', 3]);
  assert.deepEqual(
    authority.map(({ name, data }) => [name, data.split(' ').slice(0, 2)]),
    [['example.', ['ns.example.', 'root.example.']]],
  );
  assert.equal(rig.asks.length, 1);
  assert.equal(rig.count('hit-negative'), 1);
  await rig.pass(60_000);
  assert.ok(await isWaiting(rig.resolve('a.b.corp.example.')), 'the denial has ended');
});

test('a denial says nothing about its neighbours and about names above it', async () => {
  const rig = new ResolverRig();
  await rig.exchange('corp.example.', nxdomain('corp.example.', 'example.'));
  for (const name of ['xcorp.example.', 'example.', 'a.b.example.']) {
    await rig.exchange(name, addresses(name));
  }
});

test('a denial of another type, of what an alias leads to, or without recursion denies nothing below', async () => {
  const rig = new ResolverRig();
  await rig.exchange('alias.example.', deniedAlias('alias.example.', 'gone.org.', 'org.'));
  await rig.exchange('a.alias.example.', addresses('a.alias.example.'));
  const ofType = { qtype: TYPE.AAAA };
  await rig.exchange(question('x.example.', ofType), nxdomain('x.example.', 'example.'));
  await rig.exchange('a.x.example.', addresses('a.x.example.'));
  for (const other of [{ dnssecOk: true }, { recursionDesired: false }]) {
    await rig.exchange(question('y.example.', other), nxdomain('y.example.', 'example.'));
    await rig.exchange(question('a.y.example.', other), addresses('a.y.example.'));
  }
});

test('a denial by the upstreams of one zone says nothing about another', async () => {
  const zones = [{ zone: 'lab.corp', upstreams: [] }];
  const rig = new ResolverRig({ config: { zones } });
  await rig.exchange('corp.', nxdomain('corp.', 'corp.'));
  await rig.exchange('db.lab.corp.', addresses('db.lab.corp.'));
  assert.equal(shown(await rig.resolve('db.corp.')), 'rcode 3');
  rig.resolver.configure(forwardConfig({ zones: [...zones, { zone: 'db.corp', upstreams: [] }] }));
  await rig.exchange('corp.', nxdomain('corp.', 'corp.'));
  await rig.exchange('db.corp.', addresses('db.corp.'));
});

test('eight names above a question are looked at', async () => {
  const rig = new ResolverRig();
  await rig.exchange('x.org.', nxdomain('x.org.', 'org.'));
  assert.equal(shown(await rig.resolve(`${'a.'.repeat(8)}x.org.`)), 'rcode 3');
  assert.ok(await isWaiting(rig.resolve(`${'a.'.repeat(9)}x.org.`)));
});

test('flushing a name forgets its replies of all types and those below it, and only them', async () => {
  const rig = new ResolverRig();
  const below = 'a.www.example.org.';
  const other = 'b.example.org.';
  await rig.exchange(question(below), addresses(below));
  await rig.exchange(NAME, addresses(NAME));
  await rig.exchange(question(NAME, { qtype: TYPE.AAAA }), nxdomain(NAME, 'org.'));
  await rig.exchange(question(other), addresses(other));
  await rig.resolve(NAME);
  assert.equal(rig.resolver.flush(wireName(NAME)), 3);
  assert.ok(!rig.isHot(NAME));
  assert.equal(rig.published, 1);
  assert.equal(shown(await rig.resolve(other)), FIRST_ADDRESS);
  await rig.exchange(NAME, addresses(NAME));
});

test('flushing a name that the threads do not have takes nothing from them', async () => {
  const rig = new ResolverRig();
  await rig.exchange(NAME, addresses(NAME));
  await rig.resolve(NAME);
  assert.equal(rig.resolver.flush(wireName('net.')), 0);
  assert.ok(rig.isHot(NAME));
});

test('flushing all forgets replies and failures', async () => {
  const rig = new ResolverRig();
  await rig.exchange(NAME, addresses(NAME));
  await rig.resolve(NAME);
  await rig.exchange('x.org.', timeout());
  assert.equal(rig.resolver.flush(null), 1);
  assert.equal(rig.hot.count, 0);
  await rig.exchange(NAME, addresses(NAME));
  await rig.exchange('x.org.', addresses('x.org.'));
});

test('an answer to a question from before a flush is not kept, and no later client waits for it', async () => {
  const rig = new ResolverRig();
  const early = rig.resolve(NAME);
  await settled();
  rig.resolver.flush(wireName(NAME));
  const late = rig.resolve(NAME);
  await settled();
  const [first, second] = rig.asks;
  assert.ok(second !== undefined, 'it is asked again');
  first?.answer(addresses(NAME));
  assert.equal(shown(await early), FIRST_ADDRESS);
  assert.equal(rig.resolver.stats().entries, 0);
  assert.ok(await isWaiting(rig.resolve(NAME)));
  assert.equal(rig.asks.length, 2, 'the second one is still under way');
  second.answer(nxdomain(NAME, 'org.'));
  assert.equal(shown(await late), 'rcode 3');
  assert.equal(rig.resolver.stats().entries, 1);
});

test('a reply that was flushed is not given as stale', async () => {
  const rig = new ResolverRig({ config: { cache: { staleSeconds: 3600 } } });
  await rig.exchange(NAME, addresses(NAME, 1));
  await rig.pass(1_000);
  const resolution = rig.resolve(NAME);
  await settled();
  rig.resolver.flush(null);
  await rig.pass(400);
  assert.ok(await isWaiting(resolution));
  rig.lastAsk.fail(timeout());
  assert.match(shown(await resolution), /^SERVFAIL 22/);
});

test('other upstreams make what the old ones said worthless, other bounds do not', async () => {
  const rig = new ResolverRig();
  await rig.exchange(NAME, addresses(NAME));
  rig.resolver.configure(forwardConfig({ cache: { staleSeconds: 5, ttlSecondsMax: 60 } }));
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  rig.resolver.configure(forwardConfig({ zones: [{ zone: 'org', upstreams: [] }] }));
  await rig.exchange(NAME, addresses(NAME));
});

test('a smaller cache keeps what fits, and one of no size nothing', async () => {
  const rig = new ResolverRig();
  for (let i = 0; i < 20; i++) await rig.exchange(`x${i}.org.`, addresses(`x${i}.org.`));
  await rig.resolve('x19.org.');
  rig.resolver.configure(forwardConfig({ cache: { bytesMax: 8_000 } }));
  const { entries, bytes } = rig.resolver.stats();
  assert.ok(entries > 0 && entries < 20 && bytes <= 8_000);
  assert.ok(!rig.isHot('x19.org.'), 'readers have less, too');
  await rig.resolve('x19.org.');
  rig.resolver.configure(forwardConfig({ cache: { bytesMax: 0 } }));
  assert.ok(!rig.isHot('x19.org.'));
  await rig.exchange('x19.org.', addresses('x19.org.'));
  await rig.exchange('x19.org.', addresses('x19.org.'));
});

test('new rules hold for the next answer', async () => {
  const rig = new ResolverRig();
  rig.resolver.configure(forwardConfig({ cache: { ttlSecondsMin: 30 } }));
  await rig.exchange(NAME, addresses(NAME, 0));
  await rig.pass(29_000);
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
});

test('at the end all who wait get SERVFAIL, and nothing keeps the process alive', async () => {
  const rig = new ResolverRig({ config: { cache: { staleSeconds: 3600 } } });
  await rig.exchange(NAME, addresses(NAME, 1));
  await rig.pass(1_000);
  const waiting = [rig.resolve(NAME), rig.resolve('x.org.')];
  await settled();
  rig.resolver.close();
  for (const resolution of waiting) assert.match(shown(await resolution), /^SERVFAIL 14/);
  assert.equal(rig.clock.pending, 0);
  rig.lastAsk.answer(addresses('x.org.'));
  assert.match(shown(await rig.resolve(NAME)), /^SERVFAIL 14/);
});

test('after the end nothing is renewed', async () => {
  const rig = await nearTheEnd();
  rig.resolver.close();
  rig.resolver.prefetch(question(NAME));
  await settled();
  assert.equal(rig.asks.length, 1);
});

test('the statistics say what is there and what happened', async () => {
  const rig = new ResolverRig();
  await rig.exchange(NAME, addresses(NAME));
  await rig.resolve(NAME);
  await rig.exchange('x.org.', nxdomain('x.org.', 'org.'));
  await rig.resolve('x.org.');
  await rig.exchange('y.org.', timeout());
  void rig.resolver.resolve(question('z.org.'), CLIENT);
  const { bytes, ...stats } = rig.resolver.stats();
  assert.ok(bytes > 0);
  assert.deepEqual(stats, {
    entries: 2,
    hits: 2,
    misses: 3,
    stale: 0,
    prefetches: 0,
    flights: 1,
    waiters: 1,
    hotEntries: 2,
  });
  assert.deepEqual(Object.fromEntries(rig.events), {
    'hit-positive': 1,
    'hit-negative': 1,
    'miss-positive': 1,
    'miss-negative': 1,
    'miss-failure': 1,
  });
});
