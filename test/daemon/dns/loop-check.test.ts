import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createForwarder } from '../../../src/adapters/dns/forwarder.ts';
import { seededRandom } from '../../../src/core/base/random.ts';
import type { SocketAddress } from '../../../src/core/config/config.ts';
import { RCODE } from '../../../src/core/dns/constants.ts';
import { parseWireName } from '../../../src/core/dns/name.ts';
import { LoopCheck } from '../../../src/daemon/dns/loop-check.ts';
import { ManualClock } from '../../adapters/manual-clock.ts';
import { buildMessage, readMessage } from '../../support/dns-message.ts';
import { openUpstream } from '../../support/dns-peer.ts';
import type { Script } from '../../support/dns-peer.ts';
import { waitUntil } from '../../support/wait-until.ts';

const at = (last: number): SocketAddress => ({ address: `10.0.0.${last}`, port: 53 });
const [ONE, TWO] = [at(1), at(2)];
const MINUTE_MS = 60_000;

interface Rig {
  readonly check: LoopCheck;
  readonly clock: ManualClock;
  /** Probes that were sent, as `address name`. */
  readonly sent: string[];
  readonly logged: [level: string, event: string, to: unknown][];
  /** Upstreams that send what they get to us. */
  readonly loops: Set<SocketAddress>;
  /** Lets all probes come to their end. */
  readonly settled: () => Promise<void>;
}

const lowerName = (query: Uint8Array): string => (readMessage(query).qname ?? '').toLowerCase();

const wire = (name: string): Uint8Array => parseWireName(name) ?? assert.fail('a name');

function openRig(t: TestContext): Rig {
  const clock = new ManualClock();
  const sent: string[] = [];
  const logged: Rig['logged'] = [];
  const loops = new Set<SocketAddress>();
  const line =
    (level: string) =>
    (event: string, fields?: Readonly<Record<string, unknown>>): void =>
      void logged.push([level, event, fields?.['to']]);
  const check = new LoopCheck({
    clock,
    log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
    random: seededRandom(7),
    ask: async (query, upstream) => {
      const name = lowerName(query);
      sent.push(`${upstream.address} ${name}`);
      await Promise.resolve();
      if (loops.has(upstream)) assert.ok(check.seen(wire(name)));
      // Whoever is asked in a loop fails.
      if (loops.has(upstream)) throw new Error('refused');
    },
  });
  t.after(() => {
    check.close();
    assert.equal(clock.pending, 0, 'no timer is left behind');
  });
  const settled = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };
  return { check, clock, sent, logged, loops, settled };
}

test('every upstream is probed at the start, after a change and every ten minutes', async (t) => {
  const { check, clock, sent, settled } = openRig(t);
  assert.ok(check.update([ONE]));
  assert.ok(!check.update([ONE]));
  await settled();
  assert.equal(sent.length, 1);
  check.update([ONE, TWO]);
  await settled();
  assert.equal(sent.length, 3);
  clock.advance(10 * MINUTE_MS - 1);
  assert.equal(sent.length, 3);
  clock.advance(1);
  await settled();
  assert.equal(sent.length, 5);
  assert.equal(new Set(sent).size, 5, 'every probe has a name of its own');
});

test('an upstream over TLS that must be another server now is probed as that', async (t) => {
  const { check, sent, settled } = openRig(t);
  const [one, other] = ['one.example', 'other.example'].map((name) => ({
    ...ONE,
    tls: { name, pins: [] },
  }));
  assert.ok(one !== undefined && other !== undefined);
  assert.ok(check.update([one]));
  await settled();
  assert.ok(!check.update([{ ...one }]));
  assert.ok(check.update([other]));
  await settled();
  assert.equal(sent.length, 2);
});

test('an upstream that asks us is not used, which is an error in the log, once', async (t) => {
  const { check, clock, logged, loops, settled } = openRig(t);
  loops.add(TWO);
  check.update([ONE, TWO]);
  await settled();
  assert.deepEqual(check.usable([ONE, TWO]), [ONE]);
  assert.deepEqual(check.looping(), ['10.0.0.2:53']);
  for (let i = 0; i < 5; i++) {
    clock.advance(MINUTE_MS);
    await settled();
  }
  assert.deepEqual(logged, [['error', 'upstream-loop', '10.0.0.2:53']]);
  assert.deepEqual(check.usable([TWO]), [], 'even if there is no other');
});

test('it is probed every minute, and used again when its probe stays away', async (t) => {
  const { check, clock, logged, loops, sent, settled } = openRig(t);
  loops.add(TWO);
  check.update([ONE, TWO]);
  await settled();
  sent.length = 0;
  clock.advance(MINUTE_MS);
  await settled();
  assert.deepEqual(
    sent.map((probe) => probe.split(' ')[0]),
    ['10.0.0.2'],
  );
  loops.clear();
  clock.advance(MINUTE_MS);
  await settled();
  assert.deepEqual(check.looping(), []);
  assert.deepEqual(check.usable([ONE, TWO]), [ONE, TWO]);
  assert.deepEqual(logged.at(-1), ['info', 'upstream-loop-ended', '10.0.0.2:53']);
  sent.length = 0;
  clock.advance(MINUTE_MS);
  await settled();
  assert.deepEqual(sent, []);
});

test('only a probe of ours counts, and of each upstream only the last one', async (t) => {
  const { check, clock, sent, settled } = openRig(t);
  check.update([ONE]);
  await settled();
  assert.ok(!check.seen(wire(`hoplite-loop-${'0'.repeat(32)}.example`)), 'that of another node');
  assert.ok(!check.seen(wire('www.example')));
  assert.deepEqual(check.looping(), []);
  clock.advance(10 * MINUTE_MS);
  await settled();
  const [first, second] = sent.map((probe) => wire(probe.split(' ')[1] ?? ''));
  assert.ok(first !== undefined && second !== undefined);
  assert.ok(!check.seen(first));
  assert.ok(check.seen(second), 'though its query has ended');
  assert.deepEqual(check.looping(), ['10.0.0.1:53']);
});

test('the upstream of a zone is probed there, and out there alone', async (t) => {
  const { check, sent, settled } = openRig(t);
  check.update([ONE], [{ zone: 'consul', upstreams: [ONE] }]);
  await settled();
  assert.deepEqual(
    sent.map((probe) => probe.split('.').at(-2)),
    ['example', 'consul'],
  );
  check.seen(wire(sent[1]?.split(' ')[1] ?? ''));
  assert.deepEqual(check.looping(), ['10.0.0.1:53 for consul']);
  assert.deepEqual(check.usable([ONE], 'consul'), []);
  assert.deepEqual(check.usable([ONE]), [ONE]);
});

test('an upstream that is taken out and put back starts anew', async (t) => {
  const { check, loops, sent, settled } = openRig(t);
  loops.add(ONE);
  check.update([ONE]);
  await settled();
  check.update([TWO]);
  assert.deepEqual(check.looping(), []);
  assert.ok(!check.seen(wire(sent[0]?.split(' ')[1] ?? '')), 'its probe is forgotten');
  loops.clear();
  check.update([ONE]);
  assert.deepEqual(check.usable([ONE]), [ONE]);
});

test('of a hundred zones eight are probed at once, and all of them', async (t) => {
  const waiting: (() => void)[] = [];
  const clock = new ManualClock();
  const ignore = (): void => undefined;
  const check = new LoopCheck({
    clock,
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    random: seededRandom(7),
    ask: () => new Promise<void>((resolve) => waiting.push(resolve)),
  });
  t.after(() => check.close());
  check.update(
    [],
    Array.from({ length: 100 }, (_, i) => ({ zone: `z${i}.corp`, upstreams: [ONE] })),
  );
  for (let ended = 0; ended < 100; ended++) {
    const end = await waitUntil('a probe', () => waiting[ended]);
    assert.ok(waiting.length <= ended + 8);
    end();
  }
  await waitUntil('all probes', () => waiting.length === 100);
});

test('a resolver in between that asks us is found through real sockets, capitals and all', async (t) => {
  const clock = new ManualClock();
  const ignore = (): void => undefined;
  const forwarder = createForwarder({ policy: 'race', timeoutMs: 1_000, clock });
  const check = new LoopCheck({
    clock,
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    random: seededRandom(7),
    ask: (query, upstream) => forwarder.ask(query, [upstream], 1_000),
  });
  const answer =
    (rcode: (name: Uint8Array) => number): Script =>
    ({ message }, reply) => {
      const { id, qname, qtype } = readMessage(message);
      assert.ok(qname !== null && qtype !== null);
      const flags = 0x8180 | rcode(wire(qname));
      reply(buildMessage({ id, flags, qname, qtype }));
    };
  // One that passes questions on to us, and one that knows that there is no such name.
  const looping = await openUpstream(
    answer((name) => (check.seen(name) ? RCODE.REFUSED : RCODE.NXDOMAIN)),
  );
  const good = await openUpstream(answer(() => RCODE.NXDOMAIN));
  t.after(async () => {
    check.close();
    forwarder.close();
    await Promise.all([looping.close(), good.close()]);
  });
  check.update([looping.address, good.address]);
  const { port } = looping.address;
  await waitUntil('the loop is found', () => check.looping().length > 0);
  assert.deepEqual(check.looping(), [`127.0.0.1:${port}`]);
  assert.deepEqual(check.usable([looping.address, good.address]), [good.address]);
  await waitUntil('both have answered', () => forwarder.inflight === 0);
  const states = forwarder.health(check.looping());
  assert.deepEqual(
    states.map(({ to, disabled }) => [to === `127.0.0.1:${port}`, disabled]),
    [
      [true, true],
      [false, false],
    ],
  );
});
