import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RCODE } from '../../../src/core/dns/constants.ts';
import { hashWireName, parseWireName } from '../../../src/core/dns/name.ts';
import { Query } from '../../../src/core/dns/query.ts';
import { NameTally, TopNames } from '../../../src/core/respond/top-names.ts';

function queryOf(name: string): Query {
  const query = new Query();
  const wire = parseWireName(name)!;
  query.name.set(wire);
  query.nameLength = wire.length;
  query.hash = hashWireName(wire, 0, wire.length);
  return query;
}

function ask(tally: NameTally, name: string, times: number, rcode: number = RCODE.NOERROR): void {
  const query = queryOf(name);
  for (let i = 0; i < times; i++) tally.observe(query, rcode);
}

const near = (value: number | undefined, expected: number, tolerance = 0.05): void => {
  const far = Math.abs((value ?? 0) - expected) / expected;
  assert.ok(far < tolerance, `${value} is not near ${expected}`);
};

test('counts are scaled up to all queries, of all threads together', () => {
  const top = new TopNames(0);
  const [first, second] = [new NameTally(top.addThread()), new NameTally(top.addThread())];
  ask(first, 'web.mesos.', 50_000);
  ask(second, 'web.mesos.', 30_000);
  ask(second, 'nobody.mesos.', 40_000, RCODE.NXDOMAIN);
  const { sinceSeconds, names, nxdomain } = top.read(10, 30_000);
  assert.equal(sinceSeconds, 30);
  assert.deepEqual(
    names.map(({ name }) => name),
    ['web.mesos.', 'nobody.mesos.'],
  );
  near(names[0]?.count, 80_000);
  assert.deepEqual(
    nxdomain.map(({ name }) => name),
    ['nobody.mesos.'],
  );
  near(nxdomain[0]?.count, 40_000);
  assert.equal(top.read(1, 30_000).names.length, 1);
});

test('a rhythm of the questions does not hide a name', () => {
  for (const period of [2, 4, 8, 16]) {
    const top = new TopNames(0);
    const tally = new NameTally(top.addThread());
    const names = Array.from({ length: period }, (_, n) => queryOf(`n${n}.mesos.`));
    for (let i = 0; i < 64_000; i++) tally.observe(names[i % period]!, RCODE.NOERROR);
    const { names: shown } = top.read(16, 0);
    assert.equal(shown.length, period);
    for (const { count } of shown) near(count, 64_000 / period, 0.2);
  }
});

test('counts divided by their seconds are the rate, however long it goes on', () => {
  const top = new TopNames(5_000);
  const tally = new NameTally(top.addThread());
  for (let second = 0; second < 600; second++) {
    top.age(5_000 + 1_000 * second);
    ask(tally, 'web.mesos.', 800);
    if (second % 37 !== 36) continue;
    const { sinceSeconds, names } = top.read(1, 5_000 + 1_000 * (second + 1));
    near(names[0]!.count / sinceSeconds, 800);
    assert.ok(sinceSeconds <= 120);
  }
});

test('names that are asked for no more are gone after some minutes', () => {
  const top = new TopNames(0);
  ask(new NameTally(top.addThread()), 'web.mesos.', 1_000);
  assert.equal(top.read(5, 1_000).names.length, 1);
  assert.deepEqual(top.read(5, 15 * 60_000).names, []);
});
