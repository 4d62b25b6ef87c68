import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { createHostLookup } from '../../src/adapters/host-lookup.ts';
import type { HostLookup, HostLookupOptions } from '../../src/adapters/host-lookup.ts';
import { ManualClock } from './manual-clock.ts';

const TTL_MS = 300_000;
const NEGATIVE_TTL_MS = 30_000;
const CHANGE_DELAY_MS = 1_000;

interface Question {
  readonly name: string;
  answer(...addresses: string[]): void;
  fail(code: string): void;
}

/** A resolver that answers when the test says so. */
class ScriptedResolver {
  /** Lookups begun, answered or not. */
  readonly asked: string[] = [];
  readonly #open: Question[] = [];

  readonly lookup = (name: string): Promise<readonly { address: string }[]> =>
    new Promise((resolve, reject) => {
      this.asked.push(name);
      this.#open.push({
        name,
        answer: (...addresses) => resolve(addresses.map((address) => ({ address }))),
        fail: (code) => reject(Object.assign(new Error(code), { code })),
      });
    });

  get open(): number {
    return this.#open.length;
  }

  /** The oldest lookup that is still open. */
  next(): Question {
    const question = this.#open.shift();
    assert.ok(question !== undefined, 'a lookup is open');
    return question;
  }
}

interface Setup {
  readonly clock: ManualClock;
  readonly resolver: ScriptedResolver;
  readonly lookup: HostLookup;
  /** How often listeners have been called. */
  readonly changes: () => number;
}

function setUp(t: TestContext, options: Partial<HostLookupOptions> = {}): Setup {
  const clock = new ManualClock();
  const resolver = new ScriptedResolver();
  const lookup = createHostLookup({ clock, lookup: resolver.lookup, ...options });
  t.after(() => lookup.close());
  let changes = 0;
  lookup.onChange(() => (changes += 1));
  return { clock, resolver, lookup, changes: () => changes };
}

/** Resolves one new name to the given addresses. */
async function learn(
  { lookup, resolver }: Setup,
  name: string,
  ...addresses: string[]
): Promise<void> {
  const resolving = lookup.resolve([name], 1_000);
  resolver.next().answer(...addresses);
  assert.deepEqual(await resolving, new Map([[name, addresses]]));
}

test('a new name is waited for; all its addresses come sorted and once each', async (t) => {
  const { clock, lookup, resolver, changes } = setUp(t);
  const resolving = lookup.resolve(['agent1.example'], 1_000);
  resolver.next().answer('2001:db8::1', '10.0.0.2', '10.0.0.1', '2001:DB8:0::1', '10.0.0.2');
  assert.deepEqual(
    await resolving,
    new Map([['agent1.example', ['10.0.0.1', '10.0.0.2', '2001:db8::1']]]),
  );
  clock.advance(CHANGE_DELAY_MS);
  assert.equal(changes(), 0);
  assert.equal(clock.pending, 0);
});

test('addresses that mean nothing elsewhere are left out', async (t) => {
  const { lookup, resolver } = setUp(t);
  const resolving = lookup.resolve(['agent1'], 1_000);
  resolver.next().answer('fe80::1%eth0', 'junk', '10.0.0.1');
  assert.deepEqual(await resolving, new Map([['agent1', ['10.0.0.1']]]));
});

test('S12: an answer is remembered, and no second lookup is made while it is fresh', async (t) => {
  const setup = setUp(t);
  const { clock, lookup, resolver } = setup;
  await learn(setup, 'agent1', '10.0.0.1');
  clock.advance(TTL_MS - 1);
  assert.deepEqual(await lookup.resolve(['agent1'], 0), new Map([['agent1', ['10.0.0.1']]]));
  assert.deepEqual(resolver.asked, ['agent1']);
});

test('S12: a resolver that never answers holds nobody up', async (t) => {
  const setup = setUp(t);
  const { clock, lookup, resolver } = setup;
  await learn(setup, 'known', '10.0.0.1');
  const expected = new Map([['known', ['10.0.0.1']]]);
  assert.deepEqual(await lookup.resolve(['known', 'hanging'], 0), expected);
  const waiting = lookup.resolve(['known', 'hanging'], 2_000);
  clock.advance(2_000);
  assert.deepEqual(await waiting, expected);
  assert.deepEqual(resolver.asked, ['known', 'hanging']);
});

test('S12: an address out of date is given out while it is looked up again', async (t) => {
  const setup = setUp(t);
  const { clock, lookup, resolver, changes } = setup;
  await learn(setup, 'agent1', '10.0.0.1');
  clock.advance(TTL_MS);
  assert.deepEqual(await lookup.resolve(['agent1'], 1_000), new Map([['agent1', ['10.0.0.1']]]));
  assert.equal(resolver.open, 1);
  resolver.next().answer('10.0.0.2');
  await nextTurn();
  assert.equal(changes(), 0);
  clock.advance(CHANGE_DELAY_MS);
  assert.equal(changes(), 1);
  assert.deepEqual(await lookup.resolve(['agent1'], 0), new Map([['agent1', ['10.0.0.2']]]));
  assert.equal(resolver.asked.length, 2);
});

test('a lookup that confirms what was said is no change', async (t) => {
  const setup = setUp(t);
  const { clock, lookup, resolver, changes } = setup;
  await learn(setup, 'agent1', '10.0.0.1', '10.0.0.2');
  clock.advance(TTL_MS);
  await lookup.resolve(['agent1'], 0);
  resolver.next().answer('10.0.0.2', '10.0.0.1');
  await nextTurn();
  clock.advance(CHANGE_DELAY_MS);
  assert.equal(changes(), 0);
});

test('many late answers are one change', async (t) => {
  const { clock, lookup, resolver, changes } = setUp(t);
  const names = Array.from({ length: 40 }, (_value, i) => `agent${i}`);
  assert.deepEqual(await lookup.resolve(names, 0), new Map());
  while (resolver.open > 0) {
    resolver.next().answer('10.0.0.1');
    await nextTurn();
  }
  assert.equal(resolver.asked.length, 40);
  clock.advance(CHANGE_DELAY_MS);
  assert.equal(changes(), 1);
  assert.equal((await lookup.resolve(names, 0)).size, 40);
});

test('who no longer listens is not called', async (t) => {
  const { clock, lookup, resolver, changes } = setUp(t);
  let calls = 0;
  const stop = lookup.onChange(() => (calls += 1));
  stop();
  await lookup.resolve(['agent1'], 0);
  resolver.next().answer('10.0.0.1');
  await nextTurn();
  clock.advance(CHANGE_DELAY_MS);
  assert.equal(calls, 0);
  assert.equal(changes(), 1);
});

test('a name that does not exist has no addresses, and is asked for again soon', async (t) => {
  const { clock, lookup, resolver } = setUp(t);
  const resolving = lookup.resolve(['gone'], 1_000);
  resolver.next().fail('ENOTFOUND');
  assert.deepEqual(await resolving, new Map([['gone', []]]));
  clock.advance(NEGATIVE_TTL_MS - 1);
  await lookup.resolve(['gone'], 0);
  assert.equal(resolver.asked.length, 1);
  clock.advance(1);
  assert.deepEqual(await lookup.resolve(['gone'], 0), new Map([['gone', []]]));
  assert.equal(resolver.asked.length, 2);
});

test('a resolver out of order does not take away what it said before', async (t) => {
  const setup = setUp(t);
  const { clock, lookup, resolver, changes } = setup;
  await learn(setup, 'agent1', '10.0.0.1');
  const known = new Map([['agent1', ['10.0.0.1']]]);
  clock.advance(TTL_MS);
  await lookup.resolve(['agent1'], 0);
  resolver.next().fail('EAI_AGAIN');
  await nextTurn();
  assert.deepEqual(await lookup.resolve(['agent1'], 0), known);
  assert.equal(resolver.open, 0);
  clock.advance(NEGATIVE_TTL_MS);
  assert.deepEqual(await lookup.resolve(['agent1'], 0), known);
  resolver.next().fail('ENOTFOUND');
  await nextTurn();
  assert.deepEqual(await lookup.resolve(['agent1'], 0), new Map([['agent1', []]]));
  clock.advance(CHANGE_DELAY_MS);
  assert.equal(changes(), 1);
});

test('a lookup that throws instead of rejecting is a failure too', async (t) => {
  const { lookup } = setUp(t, {
    lookup: () => {
      throw new Error('broken');
    },
  });
  assert.deepEqual(await lookup.resolve(['agent1'], 1_000), new Map([['agent1', []]]));
});

test('at most so many lookups run at a time, and each name once', async (t) => {
  const { lookup, resolver } = setUp(t, { concurrency: 3 });
  const names = Array.from({ length: 10 }, (_value, i) => `agent${i}`);
  const first = lookup.resolve(names, 1_000);
  const second = lookup.resolve([...names, ...names], 1_000);
  let most = 0;
  while (resolver.open > 0) {
    most = Math.max(most, resolver.open);
    const question = resolver.next();
    question.answer(`10.0.0.${question.name.slice('agent'.length)}`);
    await nextTurn();
  }
  assert.equal(most, 3);
  assert.deepEqual(resolver.asked, names);
  assert.deepEqual(await first, new Map(names.map((name, i) => [name, [`10.0.0.${i}`]])));
  assert.deepEqual(await second, await first);
});

test('more names than are remembered do not push each other out', async (t) => {
  const { lookup, resolver } = setUp(t, { entriesMax: 3 });
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (let round = 0; round < 3; round++) {
    const resolving = lookup.resolve(names, 1_000);
    while (resolver.open > 0) resolver.next().answer('10.0.0.1');
    assert.deepEqual([...(await resolving).keys()], ['a', 'b', 'c']);
  }
  assert.deepEqual(resolver.asked, ['a', 'b', 'c']);
});

test('names that have come and gone make room', async (t) => {
  const setup = setUp(t, { entriesMax: 2 });
  for (const name of ['a', 'b', 'c', 'd']) await learn(setup, name, '10.0.0.1');
  assert.deepEqual([...(await setup.lookup.resolve(['c', 'd'], 0)).keys()], ['c', 'd']);
  assert.equal((await setup.lookup.resolve(['a'], 0)).size, 0);
});

test('spelling with capitals is one name, and each spelling gets its answer', async (t) => {
  const { lookup, resolver } = setUp(t);
  const resolving = lookup.resolve(['Agent1', 'AGENT1'], 1_000);
  resolver.next().answer('10.0.0.1');
  assert.deepEqual(
    await resolving,
    new Map([
      ['Agent1', ['10.0.0.1']],
      ['AGENT1', ['10.0.0.1']],
    ]),
  );
  assert.deepEqual(resolver.asked, ['agent1']);
});

const FIXED: readonly (readonly [name: string, addresses: readonly string[]])[] = [
  ['10.0.0.1', ['10.0.0.1']],
  ['2001:DB8::1', ['2001:db8::1']],
  ['', []],
  ['.', []],
  ['a..b', []],
  ['a b', []],
  ['a/b', []],
  ['a\u0000b', []],
  ['bücher.example', []],
  ['x'.repeat(64), []],
  [`${'abc.'.repeat(64)}de`, []],
  // Resolvers read these as addresses in an old notation.
  ['10.1', []],
  ['2130706433', []],
  ['0x7f000001', []],
  ['010.0.0.1', []],
  ['10.0.0.1.', []],
];

test('addresses and what is no host name are answered without a lookup', async (t) => {
  const { lookup, resolver } = setUp(t);
  const names = FIXED.map(([name]) => name);
  assert.deepEqual(await lookup.resolve(names, 1_000), new Map(FIXED));
  assert.deepEqual(resolver.asked, []);
});

test('host names as they are in use are looked up', async (t) => {
  const longest = 'abc.'.repeat(63) + 'd';
  const names = ['a', 'a-b.c_d.example', 'agent1.example.', '1host.2x', 'x'.repeat(63), longest];
  const { lookup, resolver } = setUp(t);
  await lookup.resolve(names, 0);
  assert.deepEqual(resolver.asked, names);
});

test('any text at all gets an answer, and only host names reach the resolver', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'binary' })), async (names) => {
      const asked: string[] = [];
      const lookup = createHostLookup({
        clock: new ManualClock(),
        lookup: (name) => {
          asked.push(name);
          return Promise.resolve([{ address: '10.0.0.1' }]);
        },
      });
      const answers = await lookup.resolve(names, 1_000);
      assert.deepEqual(new Set(answers.keys()), new Set(names));
      for (const name of asked) assert.match(name, /^[a-z0-9_.-]{1,254}$/);
    }),
  );
});

test('close wakes who waits, starts nothing more and sets no timer', async (t) => {
  const setup = setUp(t, { concurrency: 1 });
  const { clock, lookup, resolver, changes } = setup;
  await learn(setup, 'known', '10.0.0.1');
  const waiting = lookup.resolve(['known', 'hanging', 'queued'], 60_000);
  lookup.close();
  const known = new Map([['known', ['10.0.0.1']]]);
  assert.deepEqual(await waiting, known);
  resolver.next().answer('10.0.0.2');
  await nextTurn();
  assert.deepEqual(await lookup.resolve(['known', 'hanging', 'new'], 60_000), known);
  assert.deepEqual(resolver.asked, ['known', 'hanging']);
  assert.equal(clock.pending, 0);
  assert.equal(changes(), 0);
});

test('the system resolver knows this machine and not an invalid name', async (t) => {
  const lookup = createHostLookup({
    clock: {
      now: Date.now,
      monotonic: () => performance.now(),
      after: (delayMs, callback) => {
        const timer = setTimeout(callback, delayMs);
        return () => clearTimeout(timer);
      },
    },
  });
  t.after(() => lookup.close());
  const answers = await lookup.resolve(['localhost', 'agent.invalid'], 60_000);
  assert.ok(answers.get('localhost')?.some((address) => /^(127\.0\.0\.1|::1)$/.test(address)));
  assert.deepEqual(answers.get('agent.invalid'), []);
});
