import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RejectionList } from '../../src/core/base/rejection.ts';
import { type Generation, nextGeneration, unreadyTable } from '../../src/core/generation.ts';
import { parseState } from '../../src/core/mesos/parse-state.ts';
import { hostAnswers } from '../../src/core/views/rest-view.ts';
import { zoneSettings } from '../../src/core/views/zone-view.ts';
import type { BuildReport, ReadReport } from '../../src/daemon/generation-protocol.ts';
import { Publisher } from '../../src/daemon/publisher.ts';
import { ManualClock } from '../adapters/manual-clock.ts';
import { daemonConfig } from '../support/daemon-config.ts';
import { clusterState, framework, task } from '../support/scripted-master.ts';
import { ANY_BUILD } from '../support/build-report.ts';

const SETTINGS = zoneSettings(daemonConfig({ cluster: { masters: ['10.0.0.9:5050'] } }), []);
const NOW_SECONDS = 1_700_000_000;

const READ: ReadReport = {
  agents: 1,
  leader: { host: '10.0.0.9', port: 5050 },
  fromLeader: true,
  hostNames: [],
  stateBytes: 4_321,
  parseMs: 1.2345,
};

/** What the worker would report of a state with these tasks. */
function built(publisher: Publisher, ...names: readonly string[]): BuildReport {
  const frameworks = [
    framework(
      'marathon',
      names.map((name) => task(name)),
    ),
  ];
  const state = JSON.stringify(clusterState({ pid: 'master@10.0.0.9:5050' }, { frameworks }));
  const rejections = new RejectionList();
  const parsed = parseState(state, rejections);
  assert.ok(parsed.ok);
  const previous = publisher.previous === null ? null : publisher.table;
  const read = { snapshot: parsed.value, rejections };
  const next: Generation = nextGeneration(previous, read, new Map(), SETTINGS, NOW_SECONDS);
  return {
    ...ANY_BUILD,
    table: next.table.shared,
    changed: next.changed,
    buildMs: 2.3456,
    tasks: names.length,
  };
}

const addresses = ({ table }: Publisher, name: string): string[] =>
  hostAnswers(table, `${name}.marathon.mesos`).map(({ ip }) => ip);

describe('the publisher', () => {
  test('serves the unready table until the first generation', () => {
    const unready = unreadyTable(SETTINGS);
    const publisher = new Publisher(new ManualClock(), unready);
    assert.equal(publisher.table, unready);
    assert.equal(publisher.table.ready, false);
    assert.deepEqual([publisher.status, publisher.previous], [null, null]);
  });

  test('swaps the table whole, and reports what it holds', () => {
    const publisher = new Publisher(new ManualClock(), unreadyTable(SETTINGS));
    const report = built(publisher, 'web', 'api');
    publisher.publish(READ, report);
    assert.deepEqual(publisher.previous, report.table);
    assert.deepEqual(addresses(publisher, 'web'), ['10.0.0.1']);
    const { names = 0, records = 0, tableBytes, ...facts } = publisher.status ?? {};
    assert.ok(names > 10 && records > 10);
    assert.equal(tableBytes, report.table.buffer.byteLength);
    assert.deepEqual(facts, {
      serial: NOW_SECONDS,
      publishedAt: '2026-01-01T00:00:00.000Z',
      changedAt: '2026-01-01T00:00:00.000Z',
      frameworks: 1,
      agents: 1,
      tasks: 2,
      services: 0,
      rejections: 0,
      stateBytes: 4_321,
      parseMs: 1.2,
      buildMs: 2.3,
    });
  });

  test('a generation without change keeps the table, the serial and its time', () => {
    const clock = new ManualClock();
    const publisher = new Publisher(clock, unreadyTable(SETTINGS));
    publisher.publish(READ, built(publisher, 'web'));
    const { table } = publisher;
    clock.advance(30_000);
    const same = built(publisher, 'web');
    assert.equal(same.changed, false);
    publisher.publish(READ, same);
    assert.equal(publisher.table, table);
    const { serial, publishedAt, changedAt } = publisher.status ?? {};
    assert.deepEqual(
      [serial, publishedAt, changedAt],
      [NOW_SECONDS, '2026-01-01T00:00:30.000Z', '2026-01-01T00:00:00.000Z'],
    );
  });

  test('what is served is old when the master was not heard for so long', () => {
    const clock = new ManualClock();
    const publisher = new Publisher(clock, unreadyTable(SETTINGS));
    const isStale = (): boolean => publisher.table.isStale(clock.monotonic() / 1000);
    publisher.confirm(60_000);
    publisher.publish(READ, built(publisher, 'web'));
    clock.advance(59_000);
    assert.equal(isStale(), false);
    publisher.publish(READ, built(publisher, 'web', 'api'));
    clock.advance(1_000);
    assert.equal(isStale(), true, 'a build of an old state makes nothing younger');
    publisher.confirm(60_000);
    assert.equal(isStale(), false);
  });

  test('a changed generation has a greater serial, though the second is the same', () => {
    const clock = new ManualClock();
    const publisher = new Publisher(clock, unreadyTable(SETTINGS));
    publisher.publish(READ, built(publisher, 'web'));
    clock.advance(30_000);
    publisher.publish(READ, built(publisher, 'api'));
    assert.deepEqual(
      [addresses(publisher, 'web'), addresses(publisher, 'api')],
      [[], ['10.0.0.1']],
    );
    const { serial, changedAt } = publisher.status ?? {};
    assert.deepEqual([serial, changedAt], [NOW_SECONDS + 1, '2026-01-01T00:00:30.000Z']);
  });

  test('a reset takes everything back to the time before the first generation', () => {
    const publisher = new Publisher(new ManualClock(), unreadyTable(SETTINGS));
    publisher.publish(READ, built(publisher, 'web'));
    const unready = unreadyTable(SETTINGS);
    publisher.reset(unready);
    assert.equal(publisher.table, unready);
    assert.deepEqual([publisher.status, publisher.previous], [null, null]);
  });
});
