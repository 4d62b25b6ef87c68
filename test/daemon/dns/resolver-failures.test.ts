import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { RCODE } from '../../../src/core/dns/constants.ts';
import type { Resolution } from '../../../src/core/forward/resolution.ts';
import {
  addresses,
  FIRST_ADDRESS,
  forwardConfig,
  isWaiting,
  nxdomain,
  refusal,
  ResolverRig,
  settled,
  shown,
  timeout,
} from './resolver-rig.ts';

const NAME = 'www.example.org.';
/** A header that announces a record, which does not follow. */
const CUT = Uint8Array.of(0, 0, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0);
const STALE = `stale ${FIRST_ADDRESS}`;

/** A resolver with a reply for NAME that has just ended, but may be given while nobody answers. */
async function withStale(staleSeconds = 3_600): Promise<ResolverRig> {
  const rig = new ResolverRig({ config: { cache: { staleSeconds } } });
  await rig.exchange(NAME, addresses(NAME, 10));
  await rig.pass(10_000);
  return rig;
}

test('a client waits 400 ms for an upstream before it gets what has ended', async () => {
  const rig = await withStale();
  const [first, second] = [rig.resolve(NAME), rig.resolve(NAME)];
  await rig.pass(399);
  assert.ok(await isWaiting(first));
  await rig.pass(1);
  assert.equal(shown(await first), STALE);
  assert.equal(shown(await second), STALE);
  assert.equal(rig.resolver.stats().stale, 2);
});

test('the question goes on behind a stale reply and renews it', async () => {
  const rig = await withStale();
  const early = rig.resolve(NAME);
  await rig.pass(400);
  assert.equal(shown(await early), STALE);
  // Whoever comes now has no reason to wait.
  const late = rig.resolve(NAME);
  assert.ok(!(await isWaiting(late)));
  assert.equal(shown(await late), STALE);
  assert.equal(rig.asks.length, 2);
  rig.lastAsk.answer(addresses(NAME));
  await settled();
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  assert.equal(rig.asks.length, 2);
});

test('who comes 300 ms after the question waits 100 ms', async () => {
  const rig = await withStale();
  void rig.resolve(NAME);
  await rig.pass(300);
  const second = rig.resolve(NAME);
  await rig.pass(100);
  assert.equal(shown(await second), STALE);
});

test('an answer that comes in time is given, and never what has ended', async () => {
  const rig = await withStale();
  const resolution = rig.resolve(NAME);
  await rig.pass(399);
  rig.lastAsk.answer(nxdomain(NAME, 'org.'));
  assert.equal(shown(await resolution), 'rcode 3');
  assert.equal(rig.clock.pending, 0);
});

for (const [what, outcome] of [
  ['a failure', timeout()],
  ['SERVFAIL', refusal(NAME, RCODE.SERVFAIL)],
  ['REFUSED', refusal(NAME, RCODE.REFUSED)],
  ['a malformed reply', CUT],
] as const) {
  test(`after ${what} the stale reply is given at once, and nobody is asked for 30 s`, async () => {
    const rig = await withStale();
    assert.equal(shown(await rig.exchange(NAME, outcome)), STALE);
    const asks = rig.asks.length;
    await rig.pass(29_999);
    assert.equal(shown(await rig.resolve(NAME)), STALE);
    assert.equal(rig.asks.length, asks);
    await rig.pass(1);
    assert.equal(shown(await rig.exchange(NAME, addresses(NAME))), FIRST_ADDRESS);
  });
}

test('without upstreams, too, the stale reply is given', async () => {
  const rig = await withStale();
  rig.upstreamsOf = () => [];
  assert.equal(shown(await rig.resolve(NAME)), STALE);
});

test('a reply is given for so long after its end as the operator allows', async () => {
  const rig = await withStale(100);
  await rig.pass(99_999);
  const last = rig.resolve(NAME);
  await rig.pass(0);
  rig.lastAsk.fail(timeout());
  assert.equal(shown(await last), STALE);
  await rig.pass(30_001);
  assert.match(shown(await rig.exchange(NAME, timeout())), /^SERVFAIL/);
});

test('0 stale seconds: an ended reply is never given', async () => {
  const rig = await withStale(0);
  const resolution = rig.resolve(NAME);
  await rig.pass(400);
  assert.ok(await isWaiting(resolution));
  rig.lastAsk.fail(timeout());
  assert.match(shown(await resolution), /^SERVFAIL/);
});

test('a client that finds no room gets the stale reply in place of a failure', async () => {
  const rig = new ResolverRig({ config: { cache: { staleSeconds: 60 } }, limits: { flights: 1 } });
  await rig.exchange(NAME, addresses(NAME, 1));
  await rig.pass(1_000);
  void rig.resolve('other.org.');
  assert.equal(shown(await rig.resolve(NAME)), STALE);
  assert.equal(rig.count('rejected-flights'), 1);
});

test('a failure answers the same question for 1 s, then for twice as long each time, up to 30 s', async () => {
  const rig = new ResolverRig();
  const cause = 'no upstream answered: 192.0.2.53:53 timeout';
  for (const holdMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    assert.equal(shown(await rig.exchange(NAME, timeout())), `SERVFAIL 22 ${cause}`);
    const asks = rig.asks.length;
    assert.equal(shown(await rig.resolve(NAME)), `SERVFAIL 13 ${cause}`);
    await rig.pass(holdMs - 1);
    assert.equal(shown(await rig.resolve(NAME)), `SERVFAIL 13 ${cause}`);
    assert.equal(rig.asks.length, asks);
    await rig.pass(1);
  }
  assert.equal(rig.count('failure-remembered'), 14);
});

test('one answer makes the next failure count as the first', async () => {
  const rig = new ResolverRig();
  await rig.exchange(NAME, timeout());
  await rig.pass(1_000);
  await rig.exchange(NAME, addresses(NAME, 0));
  await rig.exchange(NAME, timeout());
  await rig.pass(1_000);
  await rig.exchange(NAME, addresses(NAME));
});

test('the cause that is remembered is what happened', async () => {
  const rig = new ResolverRig();
  const broken = new DaemonError('upstream-failed', '192.0.2.53:53 refused');
  assert.equal(shown(await rig.exchange('a.org.', broken)), 'SERVFAIL 23 192.0.2.53:53 refused');
  await rig.exchange('b.org.', refusal('b.org.', RCODE.REFUSED));
  assert.equal(shown(await rig.resolve('b.org.')), 'SERVFAIL 13 an upstream answered REFUSED');
  await rig.exchange('c.org.', refusal('c.org.', 12));
  assert.equal(shown(await rig.resolve('c.org.')), 'SERVFAIL 13 an upstream answered RCODE 12');
  await rig.exchange('d.org.', CUT);
  assert.match(shown(await rig.resolve('d.org.')), /^SERVFAIL 13 the reply .* is malformed/);
});

test('want of room to ask says nothing about questions, nor about upstreams', async () => {
  const rig = new ResolverRig();
  const busy = new DaemonError('upstream-busy', 'too many exchanges');
  for (let i = 0; i < 25; i++) {
    assert.equal(shown(await rig.exchange(`x${i}.org.`, busy)), 'SERVFAIL 0 too many exchanges');
  }
  assert.deepEqual(rig.logged, []);
  assert.equal(shown(await rig.exchange('x0.org.', addresses('x0.org.'))), FIRST_ADDRESS);
});

/** Has upstreams be silent on `count` questions. */
async function silence(rig: ResolverRig, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await rig.exchange(`silent${i}.org.`, timeout());
    await rig.pass(100);
  }
}

test('upstreams that were silent on 20 questions in a row are asked ten times a second', async () => {
  const rig = new ResolverRig();
  await silence(rig, 20);
  assert.deepEqual(rig.logged, ['upstreams-silent']);
  const answers: Promise<Resolution>[] = [];
  for (let i = 0; i < 1_000; i++) {
    answers.push(rig.resolve(`x${i}.org.`));
    await rig.pass(10);
  }
  // In 10 s, of 1,000 different questions.
  assert.equal(rig.asks.length, 20 + 100);
  assert.equal(rig.count('rejected-outage'), 900);
  assert.match(shown(await answers[1]!), /^SERVFAIL 22 all upstreams have been silent/);
});

test('the first answer after a long silence ends it, and what failed meanwhile may be asked', async () => {
  const rig = new ResolverRig();
  await silence(rig, 30);
  await rig.pass(100);
  await rig.exchange(NAME, refusal(NAME, RCODE.SERVFAIL));
  assert.deepEqual(rig.logged, ['upstreams-silent', 'upstreams-answer']);
  for (let i = 25; i < 30; i++) await rig.exchange(`silent${i}.org.`, addresses(`silent${i}.org.`));
  // This one is no matter of silence.
  assert.match(shown(await rig.resolve(NAME)), /^SERVFAIL 13/);
});

test('on a quiet node a silence of 2 s is long enough for that', async () => {
  const rig = new ResolverRig();
  await silence(rig, 2);
  await rig.pass(500);
  await rig.exchange('a.org.', addresses('a.org.'));
  assert.match(shown(await rig.resolve('silent0.org.')), /^SERVFAIL 13/, 'a dead name stays dead');
  await rig.pass(1_000);
  await rig.exchange('silent0.org.', timeout());
  await rig.pass(2_000);
  await rig.exchange('silent1.org.', timeout());
  await rig.exchange('b.org.', addresses('b.org.'));
  await rig.exchange('silent1.org.', addresses('silent1.org.'));
});

test('upstreams of another zone are not held to be silent', async () => {
  const zones = [{ zone: 'corp', upstreams: [] }];
  const rig = new ResolverRig({ config: { zones } });
  await silence(rig, 30);
  for (let i = 0; i < 5; i++) await rig.exchange(`x${i}.corp.`, addresses(`x${i}.corp.`));
});

test('when the forwarder finds an upstream back, everything may be asked at once', async () => {
  const rig = new ResolverRig();
  await silence(rig, 30);
  const asks = rig.asks.length;
  rig.resolver.upstreamIsBack();
  for (let i = 25; i < 30; i++) void rig.resolve(`silent${i}.org.`);
  await settled();
  assert.equal(rig.asks.length, asks + 5);
});

test('other upstreams are not held to be as silent as those before them', async () => {
  const rig = new ResolverRig();
  await silence(rig, 30);
  const asks = rig.asks.length;
  rig.resolver.configure(forwardConfig({ upstreams: [{ address: '192.0.2.54', port: 53 }] }));
  for (let i = 25; i < 30; i++) void rig.resolve(`silent${i}.org.`);
  await settled();
  assert.equal(rig.asks.length, asks + 5);
});

test('nothing is renewed by upstreams that are silent', async () => {
  const rig = new ResolverRig();
  await rig.exchange(NAME, addresses(NAME, 100));
  await rig.resolve(NAME);
  await rig.pass(2_000);
  await silence(rig, 20);
  await rig.pass(86_000);
  const asks = rig.asks.length;
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  await settled();
  assert.equal(rig.asks.length, asks);
  rig.resolver.upstreamIsBack();
  assert.equal(shown(await rig.resolve(NAME)), FIRST_ADDRESS);
  await settled();
  assert.equal(rig.asks.length, asks + 1);
});

test('a failure of a question from before a flush is not remembered', async () => {
  const rig = new ResolverRig();
  const early = rig.resolve(NAME);
  await settled();
  rig.resolver.flush(null);
  rig.lastAsk.fail(timeout());
  await early;
  await rig.exchange(NAME, addresses(NAME));
});
