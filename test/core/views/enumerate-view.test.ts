import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enumerateView } from '../../../src/core/views/enumerate-view.ts';
import { framework, masterState, publish, task } from '../../support/state-builder.ts';

interface Enumerated {
  readonly frameworks: readonly {
    readonly name: string;
    readonly tasks: readonly {
      readonly name: string;
      readonly id: string;
      readonly records: readonly { name: string; host: string; rtype: string }[];
    }[];
  }[];
}

function enumerate(frameworks: readonly unknown[]): Enumerated {
  const { cluster, settings } = publish(masterState(frameworks));
  return enumerateView(cluster, settings) as Enumerated;
}

test('H07: a cluster without frameworks is an empty list', () => {
  assert.deepEqual(enumerate([]), { frameworks: [] });
});

test('frameworks and tasks are listed in the order and with the names of the state', () => {
  const view = enumerate([
    framework('Marathon', [task('Web', { resources: { ports: '[31000-31000]' } })]),
    framework('b', []),
  ]);
  const service = (owner: string): object => ({
    name: owner,
    host: 'web-iffe9-s0.marathon.slave.mesos.:31000',
    rtype: 'SRV',
  });
  const address = (name: string): object => ({ name, host: '10.0.0.1', rtype: 'A' });
  assert.deepEqual(view, {
    frameworks: [
      {
        tasks: [
          {
            name: 'Web',
            id: 'test',
            records: [
              address('web.marathon.mesos.'),
              address('web-iffe9-s0.marathon.mesos.'),
              address('web.marathon.slave.mesos.'),
              address('web-iffe9-s0.marathon.slave.mesos.'),
              service('_web._tcp.marathon.slave.mesos.'),
              service('_web._udp.marathon.slave.mesos.'),
              service('_web._tcp.marathon.mesos.'),
              service('_web._udp.marathon.mesos.'),
            ],
          },
        ],
        name: 'Marathon',
      },
      { tasks: [], name: 'b' },
    ],
  });
});

test('a record is listed under the first task that made it', () => {
  const [first, second] =
    enumerate([framework('m', [task('web'), task('web', { id: 't0001' })])]).frameworks[0]?.tasks ??
    [];
  assert.deepEqual(
    first?.records.map(({ name }) => name),
    ['web.m.mesos.', 'web-iffe9-s0.m.mesos.', 'web.m.slave.mesos.', 'web-iffe9-s0.m.slave.mesos.'],
  );
  assert.deepEqual(
    second?.records.map(({ name }) => name),
    ['web-esh5w-s0.m.mesos.', 'web-esh5w-s0.m.slave.mesos.'],
  );
});

test('H07: a task whose records were all there already has an empty list', () => {
  const view = enumerate([framework('m', [task('web'), task('web')])]);
  assert.deepEqual(view.frameworks[0]?.tasks[1], { name: 'web', id: 'test', records: [] });
});

test('records that are not published are not listed', () => {
  const view = enumerate([framework('...', [task('web')]), framework('m', [task('*')])]);
  assert.deepEqual(view.frameworks[0]?.tasks[0]?.records, []);
  assert.deepEqual(
    view.frameworks[1]?.tasks[0]?.records.map(({ name }) => name),
    ['-iffe9-s0.m.mesos.', '-iffe9-s0.m.slave.mesos.'],
  );
});
