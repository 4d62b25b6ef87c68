import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Random, seededRandom } from '../../../src/core/base/random.ts';
import { RCODE } from '../../../src/core/dns/constants.ts';
import { STORED } from '../../../src/core/dns/stored-reply.ts';
import type { Resolution } from '../../../src/core/forward/resolution.ts';
import { wireName } from '../../support/dns-message.ts';
import {
  addresses,
  type Ask,
  forwardConfig,
  nxdomain,
  question,
  refusal,
  ResolverRig,
  settled,
  timeout,
} from './resolver-rig.ts';
import { testOtherHistories } from '../../support/other-histories.ts';

const SEED = 20_261;
const STEPS = 1_500;
const LIMITS = { flights: 8, waiters: 16, perClient: 6, local: 12, prefetches: 4 };
const STALE_SECONDS = 40;
const DEADLINE_MS = 4_000;

const ZONES = ['a.org.', 'b.org.', 'x.y.org.'];
const NAMES = ZONES.flatMap((zone) => [zone, `m.${zone}`, `k.m.${zone}`, `n.${zone}`, `o.${zone}`]);
const CLIENTS = ['127.0.0.1', '127.0.0.2', '::1', '192.0.2.1', '192.0.2.2', '2001:db8::1'];

/** A question of a client that was not answered at once. */
interface Waiting {
  readonly client: string;
  readonly since: number;
}

class Simulation {
  readonly #random: Random;
  readonly #rig = new ResolverRig({
    config: { deadlineMs: DEADLINE_MS, cache: { staleSeconds: STALE_SECONDS, bytesMax: 14_000 } },
    limits: LIMITS,
  });
  readonly #open = new Set<Ask>();
  readonly #waiting = new Set<Waiting>();
  #seenAsks = 0;
  #isOut = false;
  #now = 0;
  readonly seen = new Map<string, number>();
  readonly history: string[] = [];

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  async step(): Promise<void> {
    const drawn = this.#random();
    if (drawn < 0.02) this.#isOut = !this.#isOut;
    if (drawn < 0.55) this.#askMany();
    else if (drawn < 0.8) await this.#answerSome();
    else if (drawn < 0.96) await this.#pass(this.#drawMs());
    else if (drawn < 0.975) this.#rig.resolver.prefetch(question(this.#name()));
    else if (drawn < 0.99) this.#flush();
    else this.#reload();
    await settled();
    this.#collect();
    this.#check();
  }

  /** Nothing is asked any more: in the end nobody waits. */
  async end(): Promise<void> {
    this.history.push('quiet');
    await this.#pass(DEADLINE_MS + 1_000);
    this.#check();
    assert.equal(this.#waiting.size, 0, 'every question is answered');
    assert.equal(this.#rig.clock.pending, 0, 'every timer has ended');
    const { flights, waiters } = this.#rig.resolver.stats();
    assert.deepEqual([flights, waiters], [0, 0]);
  }

  /** Mostly one question, now and then many of one client. */
  #askMany(): void {
    const client = CLIENTS[Math.floor(this.#random() * CLIENTS.length)]!;
    const count = 1 + Math.floor(this.#random() ** 6 * 25);
    for (let i = 0; i < count; i++) this.#ask(client, this.#name());
  }

  #ask(client: string, name: string): void {
    this.history.push(`${client} asks for ${name}`);
    const waiting: Waiting = { client, since: this.#now };
    this.#waiting.add(waiting);
    const resolution = this.#rig.resolver.resolve(question(name), client);
    resolution.then(
      (outcome) => {
        this.#waiting.delete(waiting);
        this.#examine(outcome, name, waiting);
      },
      () => assert.fail('a resolution never rejects'),
    );
  }

  /** The laws of what clients are given. */
  #examine(outcome: Resolution, name: string, { since }: Waiting): void {
    if (outcome.kind === 'failure') {
      assert.equal(outcome.rcode, RCODE.SERVFAIL);
      assert.notEqual(outcome.text, '');
      this.#saw(`failure ${outcome.ede}`);
      return;
    }
    const { reply, stale } = outcome;
    const length = reply[STORED.KEY]! & 0xff;
    assert.equal(length, wireName(name).length, 'the reply has the name of the question');
    const seconds = Math.floor(this.#rig.clock.monotonic() / 1000);
    const expiresAt = reply[STORED.EXPIRES_AT]!;
    if (stale) {
      assert.ok(seconds < expiresAt + STALE_SECONDS + 5, 'a stale reply is not too old');
      this.#saw('stale');
    } else {
      // It is for those who waited for it even if it has no lifetime.
      const isAnswer = reply[STORED.STORED_AT]! >= Math.floor(since / 1000);
      assert.ok(isAnswer || seconds < expiresAt, `${name} is given within its lifetime`);
      this.#saw('reply');
    }
  }

  async #answerSome(): Promise<void> {
    for (const ask of [...this.#open]) {
      if (this.#random() < 0.5) continue;
      this.#open.delete(ask);
      this.#answer(ask);
      await settled();
    }
  }

  #answer(ask: Ask): void {
    const { name } = ask;
    const zone = ZONES.find((one) => name.endsWith(one))!;
    const drawn = this.#isOut ? 1 : this.#random();
    const ttl = [0, 1, 2, 10, 30][Math.floor(this.#random() * 5)]!;
    this.history.push(`the answer for ${name}: ${drawn.toFixed(2)} ttl ${ttl}`);
    if (drawn < 0.55) ask.answer(addresses(name, ttl));
    else if (drawn < 0.75) ask.answer(nxdomain(name, zone, ttl));
    else if (drawn < 0.85) ask.answer(refusal(name, RCODE.SERVFAIL));
    else if (drawn < 0.9) ask.answer(new Uint8Array(5));
    else ask.fail(timeout());
  }

  async #pass(ms: number): Promise<void> {
    this.history.push(`${ms} ms pass`);
    // In steps, so that what is due happens when it is due.
    for (let left = ms; left > 0; left -= 250) {
      this.#now += Math.min(250, left);
      await this.#rig.pass(Math.min(250, left));
      this.#collect();
      this.#check();
    }
  }

  #flush(): void {
    const name = this.#random() < 0.5 ? null : this.#name();
    this.history.push(`flush ${name}`);
    this.#rig.resolver.flush(name === null ? null : wireName(name));
    for (const flushed of name === null ? NAMES : [name]) {
      assert.ok(!this.#rig.isHot(flushed), `readers do not have ${flushed}`);
    }
  }

  #reload(): void {
    const bytesMax = this.#random() < 0.5 ? 14_000 : 8_000;
    this.history.push(`reload with ${bytesMax} octets`);
    const cache = { staleSeconds: STALE_SECONDS, bytesMax };
    this.#rig.resolver.configure(forwardConfig({ deadlineMs: DEADLINE_MS, cache }));
  }

  #collect(): void {
    for (const ask of this.#rig.asks.slice(this.#seenAsks)) this.#open.add(ask);
    this.#seenAsks = this.#rig.asks.length;
  }

  /** The laws of what is under way. */
  #check(): void {
    const { flights, waiters, bytes } = this.#rig.resolver.stats();
    assert.ok(flights <= LIMITS.flights, `${flights} flights`);
    assert.ok(waiters <= LIMITS.waiters, `${waiters} waiters`);
    assert.equal(waiters, this.#waiting.size);
    assert.ok(bytes <= 14_000);
    const clients = [...this.#waiting].map(({ client }) => client);
    const isLocal = (client: string): boolean => client.startsWith('127.') || client === '::1';
    assert.ok(clients.filter(isLocal).length <= LIMITS.local);
    for (const client of CLIENTS.filter((one) => !isLocal(one))) {
      assert.ok(clients.filter((one) => one === client).length <= LIMITS.perClient, client);
    }
    for (const { since } of this.#waiting) {
      assert.ok(this.#now - since <= DEADLINE_MS + 1_000, 'nobody waits for ever');
    }
  }

  #name(): string {
    // Some names are asked for often.
    return NAMES[Math.floor(this.#random() ** 2 * NAMES.length)]!;
  }

  #drawMs(): number {
    return [1, 100, 400, 1_000, 5_000, 30_000][Math.floor(this.#random() ** 2 * 6)]!;
  }

  #saw(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  get events(): readonly string[] {
    return [...this.#rig.events.keys()];
  }
}

async function simulate(seed: number, steps: number): Promise<Simulation> {
  const simulation = new Simulation(seed);
  try {
    for (let i = 0; i < steps; i++) await simulation.step();
    await simulation.end();
    return simulation;
  } catch (cause) {
    const last = simulation.history.slice(-8).join('\n  ');
    throw new Error(`seed ${seed}, event ${simulation.history.length}:\n  ${last}`, { cause });
  }
}

test(`in ${STEPS} steps of upstreams that fail, replies are within their lifetime and all is bounded`, async () => {
  const { seen, events } = await simulate(SEED, STEPS);
  for (const what of ['reply', 'stale', 'failure 0', 'failure 13', 'failure 22', 'failure 23']) {
    assert.ok(seen.has(what), `${what} was seen: ${[...seen.keys()].join()}`);
  }
  const limits = ['flights', 'waiters', 'client', 'outage'].map((limit) => `rejected-${limit}`);
  for (const event of ['coalesced', 'prefetch', 'hit-negative', 'rejected-oldest', ...limits]) {
    assert.ok(events.includes(event), `${event} happened: ${events.join()}`);
  }
});

testOtherHistories((seed) => simulate(seed, STEPS));
