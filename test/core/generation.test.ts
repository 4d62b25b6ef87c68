import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RejectionList } from '../../src/core/base/rejection.ts';
import type { HostAddresses } from '../../src/core/catalog/catalog.ts';
import type { AnswerTable } from '../../src/core/dns/answer-table.ts';
import { RCODE, TYPE } from '../../src/core/dns/constants.ts';
import { type Generation, nextGeneration, unreadyTable } from '../../src/core/generation.ts';
import { clusters, stateOf } from '../support/arbitraries.ts';
import { answer, ip } from '../support/small-zone.ts';
import {
  agent,
  discovery,
  framework,
  labelled,
  masterState,
  marathonState,
  port,
  publish,
  settings,
  type SettingsChange,
  snapshotOf,
  task,
} from '../support/state-builder.ts';

const NOW = 1_800_000_000;

interface Step {
  readonly previous?: AnswerTable | null;
  readonly now?: number;
  readonly hosts?: HostAddresses;
  readonly change?: SettingsChange;
  readonly programmed?: ReadonlySet<string> | null;
}

function next(state: unknown, step: Step = {}): Generation {
  const { previous = null, now = NOW, hosts = new Map(), change = {}, programmed = null } = step;
  const rejections = new RejectionList();
  const read = { snapshot: snapshotOf(state, rejections), rejections };
  return nextGeneration(previous, read, hosts, settings(change), now, programmed);
}

/** Addresses that a table answers for a name. */
const addresses = (table: AnswerTable, qname: string): string[] =>
  answer(table, { qname }).answer.map(({ data }) => data);

test('the first generation has the time as its serial', () => {
  const { table, changed, rejections } = next(marathonState(task('web')));
  assert.deepEqual([table.serial, changed, rejections.total], [NOW, true, 0]);
  const [soa] = answer(table, { qname: 'mesos.', qtype: TYPE.SOA }).answer;
  assert.ok(soa?.data.startsWith(`ns1.mesos. root.ns1.mesos. ${NOW.toString(16)}`));
  assert.deepEqual(addresses(table, 'web.marathon.mesos.'), ['0a000001']);
});

test('the same records keep table and serial, whatever else the state says', () => {
  const first = next(masterState([framework('m', [task('web'), task('db', { id: 't0001' })])]));
  const same = masterState([
    framework('m', [
      task('db', { id: 't0001' }),
      task('gone', { state: 'TASK_LOST' }),
      task('web'),
    ]),
  ]);
  const second = next(same, { previous: first.table, now: NOW + 30 });
  assert.equal(second.table, first.table);
  assert.deepEqual([second.changed, second.table.serial], [false, NOW]);
  assert.equal(second.snapshot.taskCount, 2, 'the snapshot is the new one');
});

test('a generation without change still says what it lost', () => {
  const first = next(marathonState(task('web')));
  const second = next(marathonState(task('web'), 7), { previous: first.table });
  assert.equal(second.changed, false);
  assert.deepEqual(
    second.rejections.items.map(({ path }) => path),
    ['frameworks[0].tasks[1]'],
  );
});

test('changed records get the time as serial, and the old table stays as it was', () => {
  const first = next(marathonState(task('web')));
  const second = next(marathonState(task('api')), { previous: first.table, now: NOW + 30 });
  assert.deepEqual([second.changed, second.table.serial], [true, NOW + 30]);
  assert.equal(answer(second.table, { qname: 'web.marathon.mesos.' }).rcode, RCODE.NXDOMAIN);
  assert.equal(first.table.serial, NOW);
  assert.deepEqual(addresses(first.table, 'web.marathon.mesos.'), ['0a000001']);
});

test('a serial grows by one within a second, or when the clock goes back', () => {
  const first = next(marathonState(task('a')));
  const second = next(marathonState(task('b')), { previous: first.table, now: NOW });
  const third = next(marathonState(task('c')), { previous: second.table, now: NOW - 5000 });
  assert.deepEqual([second.table.serial, third.table.serial], [NOW + 1, NOW + 2]);
});

test('a serial goes round behind 2^32 - 1 (RFC 1982 §3.1)', () => {
  const first = next(marathonState(task('a')), { now: 2 ** 32 - 1 });
  const second = next(marathonState(task('b')), { previous: first.table, now: NOW });
  assert.deepEqual([first.table.serial, second.table.serial], [2 ** 32 - 1, 0]);
});

test('names that were looked up meanwhile are a change', () => {
  const state = masterState([framework('m', [task('web')])], {
    slaves: [agent(0, { pid: 'slave(1)@agent7.example.test:5051' })],
  });
  const first = next(state);
  const hosts = new Map([['agent7.example.test', [ip('10.20.0.7')]]]);
  const second = next(state, { previous: first.table, hosts, now: NOW + 1 });
  assert.equal(second.changed, true);
  assert.equal(second.hosts, hosts);
  assert.deepEqual(addresses(second.table, 'web.m.mesos.'), ['0a140007']);
});

test('other settings are a change', () => {
  const state = marathonState(task('web'));
  const first = next(state);
  const change = { soa: { minimumSeconds: 7 } };
  assert.equal(next(state, { previous: first.table, change }).changed, true);
});

test('a VIP that the kernel balances from now on is a change, and so is one that it lost', () => {
  const declared = discovery('web', labelled(port(80, 'tcp'), { VIP_0: '/web:80' }));
  const state = marathonState(task('x', { discovery: declared }));
  const change: SettingsChange = { vip: { enabled: true, aliasDomains: ['prod.test'] } };
  const none = next(state, { change, programmed: new Set() });
  const vip = none.vips.services[0]?.ipv4?.text ?? '';
  const qname = 'web.marathon.l4lb.prod.test.';
  assert.equal(answer(none.table, { qname }).rcode, RCODE.NXDOMAIN);
  const programmed = new Set([vip]);
  const some = next(state, { change, programmed, previous: none.table, now: NOW + 1 });
  assert.deepEqual(
    [some.changed, some.programmed, addresses(some.table, qname).length],
    [true, programmed, 1],
  );
  const again = next(state, { change, programmed: new Set([vip]), previous: some.table });
  assert.deepEqual([again.changed, again.table], [false, some.table]);
  const lost = next(state, { change, programmed: new Set(), previous: some.table });
  assert.equal(lost.changed, true);
  for (const qtype of [TYPE.A, TYPE.SRV]) {
    for (const name of [qname, '_web._tcp.marathon.l4lb.mesos.']) {
      assert.equal(answer(lost.table, { qname: name, qtype }).rcode, RCODE.NXDOMAIN);
    }
  }
});

test('every zone has the serial of the generation', () => {
  const change: SettingsChange = { vip: { enabled: true, aliasDomains: ['prod.test'] } };
  const { table } = next(marathonState(), { change });
  for (const qname of [
    'mesos.',
    'l4lb.prod.test.',
    '208.10.in-addr.arpa.',
    'x.223.10.in-addr.arpa.',
  ]) {
    const { answer: found, authority } = answer(table, { qname, qtype: TYPE.SOA });
    assert.ok([...found, ...authority][0]?.data.includes(NOW.toString(16)), qname);
  }
});

test('before the first state all zones fail, not only our own domain', () => {
  const vip = { enabled: true, aliasDomains: ['prod.test'] };
  const unready = unreadyTable(settings({ vip }));
  for (const qname of ['x.l4lb.prod.test.', '4.3.208.10.in-addr.arpa.']) {
    assert.equal(answer(unready, { qname }).rcode, RCODE.SERVFAIL);
  }
});

test('rejections are those of the state, of the catalog and of the names, in this order', () => {
  const { rejections } = next(
    masterState([
      framework('m', ['x', task('a', { slave_id: 'none' }), task('*')]),
      framework('leader', []),
    ]),
  );
  assert.deepEqual(
    rejections.items.map(({ path, code }) => `${path} ${code}`),
    [
      'frameworks[0].tasks[0] task-malformed',
      'frameworks[0].tasks[1].slave_id agent-unknown',
      'frameworks[1].name name-reserved',
      'frameworks[0].tasks[2] name-empty-label',
      'frameworks[0].tasks[2] name-empty-label',
    ],
  );
});

test('A15, S17: before the first state the zone fails, and the first state is a change', () => {
  const unready = unreadyTable(settings());
  assert.equal(answer(unready, { qname: 'web.marathon.mesos.' }).rcode, RCODE.SERVFAIL);
  const first = next(masterState([], { slaves: [] }), { previous: unready });
  assert.deepEqual([first.changed, first.table.ready, first.table.serial], [true, true, NOW]);
});

test('the serial moves exactly when records change, and always grows', () => {
  // Two clusters that come and go, so that some steps change nothing.
  const steps = fc.tuple(clusters, clusters).chain((pair) =>
    fc.array(
      fc.record({
        cluster: fc.constantFrom(...pair),
        now: fc.integer({ min: NOW - 100, max: NOW + 100 }),
      }),
      { minLength: 2, maxLength: 6 },
    ),
  );
  fc.assert(
    fc.property(steps, (list) => {
      let previous: { table: AnswerTable; records: readonly string[] } | null = null;
      for (const { cluster, now } of list) {
        const state = stateOf(cluster);
        const { records } = publish(state);
        const { table, changed } = next(state, { previous: previous?.table ?? null, now });
        if (previous !== null) {
          const isSame: boolean = records.join() === previous.records.join();
          assert.equal(changed, !isSame);
          assert.equal(table.serial === previous.table.serial, isSame);
          // RFC 1982 §3.2.
          assert.ok((table.serial - previous.table.serial) >>> 0 < 2 ** 31);
        }
        previous = { table, records };
      }
    }),
    { numRuns: 100 },
  );
});
