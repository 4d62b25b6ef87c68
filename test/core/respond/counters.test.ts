import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  COUNT,
  type Count,
  DnsCounters,
  DURATION_MS_BUCKETS,
  type HistogramCounts,
  SIZE_BYTES_BUCKETS,
} from '../../../src/core/respond/counters.ts';
import {
  RCODE_LABELS,
  TYPE_LABELS,
  rcodeIndex,
  typeIndex,
} from '../../../src/core/respond/labels.ts';
import { ZONE_SLOTS } from '../../../src/core/respond/zone-slots.ts';

const newBlock = (): DnsCounters => new DnsCounters(DnsCounters.create());

const bit = fc.constantFrom<0 | 1>(0, 1);

const exchanges = fc.array(
  fc.record({
    zone: fc.nat(ZONE_SLOTS - 1),
    protocol: bit,
    family: bit,
    qtype: fc.oneof(fc.nat(260), fc.nat(65_535)),
    rcode: fc.oneof(fc.nat(24), fc.nat(4095)),
    requestBytes: fc.oneof(fc.constantFrom(0, ...SIZE_BYTES_BUCKETS), fc.nat(65_535)),
    responseBytes: fc.oneof(fc.nat(1500), fc.nat(65_535)),
    durationMs: fc.oneof(
      fc.constantFrom(0, ...DURATION_MS_BUCKETS, Number.NaN, -1),
      fc.double({ min: 0, max: 20_000, noNaN: true }),
    ),
  }),
);

interface Exchange {
  readonly zone: number;
  readonly protocol: 0 | 1;
  readonly family: 0 | 1;
  readonly qtype: number;
  readonly rcode: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly durationMs: number;
}

function observe(counters: DnsCounters, e: Exchange): void {
  counters.observe(
    e.zone,
    e.protocol,
    e.family,
    e.qtype,
    e.rcode,
    e.requestBytes,
    e.responseBytes,
    e.durationMs,
  );
}

/** A histogram made the slow way. */
function histogram(values: readonly number[], bounds: readonly number[]): HistogramCounts {
  const counts = new Array<number>(bounds.length + 1).fill(0);
  for (const value of values) {
    const bucket = bounds.findIndex((bound) => value <= bound);
    counts[bucket < 0 ? bounds.length : bucket]!++;
  }
  return { counts, sum: values.reduce((sum, value) => sum + value, 0) };
}

test('a block says of every zone what a slow count says', () => {
  fc.assert(
    fc.property(exchanges, (all) => {
      const counters = newBlock();
      for (const each of all) observe(counters, each);
      for (let zone = 0; zone < ZONE_SLOTS; zone++) {
        const here = all.filter((each) => each.zone === zone);
        const durations = here.map(({ durationMs }) => (durationMs > 0 ? durationMs : 0));
        assert.deepEqual(counters.durations(zone), histogram(durations, DURATION_MS_BUCKETS));
        for (const protocol of [0, 1] as const) {
          const sent = here.filter((each) => each.protocol === protocol);
          const expected = [
            histogram(
              sent.map(({ requestBytes }) => requestBytes),
              SIZE_BYTES_BUCKETS,
            ),
            histogram(
              sent.map(({ responseBytes }) => responseBytes),
              SIZE_BYTES_BUCKETS,
            ),
          ];
          // A message cannot be larger than the last bound.
          for (const { counts } of expected) assert.equal((counts as number[]).pop(), 0);
          assert.deepEqual(
            [counters.requestSizes(zone, protocol), counters.responseSizes(zone, protocol)],
            expected,
          );
        }
        for (const { qtype, rcode, protocol, family } of here) {
          const [type, code] = [typeIndex(qtype), rcodeIndex(rcode)];
          assert.equal(
            counters.requests(zone, type, protocol, family),
            here.filter(
              (each) =>
                typeIndex(each.qtype) === type &&
                each.protocol === protocol &&
                each.family === family,
            ).length,
          );
          assert.equal(
            counters.responses(zone, code),
            here.filter((each) => rcodeIndex(each.rcode) === code).length,
          );
        }
      }
    }),
    { numRuns: 100 },
  );
});

/** All counts that a block can show of requests and responses. */
function total(counters: DnsCounters): number {
  let sum = 0;
  for (let zone = 0; zone < ZONE_SLOTS; zone++) {
    for (const type of TYPE_LABELS.keys()) {
      for (const protocol of [0, 1] as const) {
        sum += counters.requests(zone, type, protocol, 0);
        sum += counters.requests(zone, type, protocol, 1);
      }
    }
    for (const rcode of RCODE_LABELS.keys()) sum += counters.responses(zone, rcode);
  }
  return sum;
}

test('what is counted is counted once and in one place', () => {
  fc.assert(
    fc.property(exchanges, fc.array(fc.constantFrom(...Object.values(COUNT))), (all, kinds) => {
      const counters = newBlock();
      for (const each of all) observe(counters, each);
      for (const kind of kinds) counters.count(kind);
      assert.equal(total(counters), 2 * all.length);
      for (const kind of Object.values(COUNT)) {
        assert.equal(counters.counted(kind), kinds.filter((each) => each === kind).length);
      }
    }),
    { numRuns: 100 },
  );
});

test('blocks add up, and summing changes none of them', () => {
  fc.assert(
    fc.property(exchanges, exchanges, (first, second) => {
      const [a, b, both] = [newBlock(), newBlock(), newBlock()];
      for (const each of first) observe(a, each);
      for (const each of second) observe(b, each);
      for (const each of [...first, ...second]) observe(both, each);
      a.count(COUNT.CACHE_HIT);
      both.count(COUNT.CACHE_HIT);
      const sum = DnsCounters.sum([a, b]);
      assert.equal(total(sum), total(both));
      assert.equal(sum.counted(COUNT.CACHE_HIT), 1);
      for (let zone = 0; zone < ZONE_SLOTS; zone++) {
        assert.deepEqual(sum.requestSizes(zone, 1), both.requestSizes(zone, 1));
        assert.deepEqual(sum.durations(zone).counts, both.durations(zone).counts);
      }
      assert.equal(total(a), 2 * first.length);
    }),
    { numRuns: 50 },
  );
  assert.equal(total(DnsCounters.sum([])), 0);
});

test('two views of one block see the same; a block has a few pages', () => {
  const buffer = DnsCounters.create();
  const [writer, reader] = [new DnsCounters(buffer), new DnsCounters(buffer)];
  writer.count(COUNT.ACCESS_REFUSED);
  writer.observe(ZONE_SLOTS - 1, 1, 1, 65_535, 4095, 65_535, 65_535, 1e9);
  assert.equal(reader.counted(COUNT.ACCESS_REFUSED), 1);
  assert.equal(reader.requests(ZONE_SLOTS - 1, 0, 1, 1), 1);
  assert.ok(buffer.byteLength < 128 * 1024, `${buffer.byteLength} octets`);
  assert.throws(() => new DnsCounters(new SharedArrayBuffer(8)), /not a block/);
});

test('a block counts past what 32 bits hold', () => {
  const buffer = DnsCounters.create();
  const values = new Float64Array(buffer);
  const counters = new DnsCounters(buffer);
  counters.count(COUNT.CACHE_MISS);
  const at = values.indexOf(1);
  values[at] = 2 ** 40;
  counters.count(COUNT.CACHE_MISS);
  assert.equal(counters.counted(COUNT.CACHE_MISS), 2 ** 40 + 1);
});

test('every kind has a place of its own', () => {
  const kinds: readonly Count[] = Object.values(COUNT);
  assert.equal(new Set(kinds).size, kinds.length);
});
