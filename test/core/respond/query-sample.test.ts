import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashWireName, parseWireName } from '../../../src/core/dns/name.ts';
import { COUNT, DnsCounters } from '../../../src/core/respond/counters.ts';
import { CHOSEN, QuerySample, SampleControl } from '../../../src/core/respond/query-sample.ts';

interface Rig {
  readonly control: SampleControl;
  readonly sample: QuerySample;
  readonly counters: DnsCounters;
}

function createRig(): Rig {
  const buffer = SampleControl.create();
  const counters = new DnsCounters(DnsCounters.create());
  return {
    control: new SampleControl(buffer),
    sample: new QuerySample(buffer, counters),
    counters,
  };
}

const wireOf = (name: string): Uint8Array => parseWireName(name)!;
const hashOf = (name: string): number => hashWireName(wireOf(name), 0, wireOf(name).length);

const WEB = hashOf('web.mesos.');

test('nothing is chosen unless somebody wants it', () => {
  const { sample, counters } = createRig();
  for (let i = 0; i < 10_000; i++) assert.equal(sample.choose(WEB, i), CHOSEN.NO);
  assert.equal(counters.counted(COUNT.QUERY_LOG_LEFT_OUT), 0);
});

test('the configured share of all queries is chosen, evenly', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (share) => {
      const { control, sample } = createRig();
      control.sample(share);
      let chosen = 0;
      for (let i = 1; i <= 1_000; i++) {
        // So slow that the limit does not matter.
        if (sample.choose(WEB, 100 * i) === CHOSEN.SAMPLED) chosen++;
        assert.ok(Math.abs(chosen - share * i) <= 1, `${chosen} of ${i}`);
      }
    }),
    { numRuns: 100 },
  );
});

test('all are chosen at a share of 1, none any more when it is set back', () => {
  const { control, sample } = createRig();
  control.sample(1);
  for (let i = 0; i < 100; i++) assert.equal(sample.choose(WEB, 1_000 * i), CHOSEN.SAMPLED);
  control.sample(0);
  for (let i = 0; i < 100; i++) assert.equal(sample.choose(WEB, 1e6), CHOSEN.NO);
  assert.throws(() => control.sample(1.5), /between 0 and 1/);
});

test('queries of the name that was asked for are chosen, whatever the sign of its hash', () => {
  const { control, sample } = createRig();
  const signs = new Set<boolean>();
  for (let n = 0; n < 50; n++) {
    const name = `n${n}.mesos.`;
    control.ask(wireOf(name));
    signs.add(hashOf(name) > 0x7fff_ffff);
    assert.equal(sample.choose(hashOf(name), 1_000 * n), CHOSEN.ASKED, name);
    assert.equal(sample.choose(WEB, 1_000 * n), CHOSEN.NO);
  }
  assert.equal(signs.size, 2);
  control.ask(null);
  assert.equal(sample.choose(hashOf('n49.mesos.'), 1e6), CHOSEN.NO);
});

test('a query can be chosen for both reasons', () => {
  const { control, sample } = createRig();
  control.sample(1);
  control.ask(wireOf('web.mesos.'));
  assert.equal(sample.choose(WEB, 0), CHOSEN.SAMPLED | CHOSEN.ASKED);
});

test('a thread reports at most 100 queries a second, and counts what it leaves out', () => {
  const { control, sample, counters } = createRig();
  control.sample(1);
  let chosen = 0;
  // Ten seconds of 10,000 queries each.
  for (let i = 0; i < 100_000; i++) if (sample.choose(WEB, i / 10) !== CHOSEN.NO) chosen++;
  assert.ok(chosen >= 1_090 && chosen <= 1_100, `${chosen} chosen`);
  assert.equal(counters.counted(COUNT.QUERY_LOG_LEFT_OUT), 100_000 - chosen);
});

test('a quiet time saves up no more than a second’s worth', () => {
  const { control, sample } = createRig();
  control.sample(1);
  let chosen = 0;
  for (let i = 0; i < 1_000; i++) if (sample.choose(WEB, 3_600_000) !== CHOSEN.NO) chosen++;
  assert.equal(chosen, 100);
});

test('one control block steers the samples of all threads', () => {
  const buffer = SampleControl.create();
  const samples = [1, 2].map(() => new QuerySample(buffer, new DnsCounters(DnsCounters.create())));
  new SampleControl(buffer).sample(1);
  for (const sample of samples) assert.equal(sample.choose(WEB, 0), CHOSEN.SAMPLED);
});
