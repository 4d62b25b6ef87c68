import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RejectionList } from '../../../src/core/base/rejection.ts';
import { buildCatalog } from '../../../src/core/catalog/catalog.ts';
import type { TaskHealth } from '../../../src/core/marathon/task-health.ts';
import { withHealth } from '../../../src/core/marathon/with-health.ts';
import { buildVipTable } from '../../../src/core/vip/build-vip-table.ts';
import {
  discovery,
  labelled,
  marathonState,
  network,
  port,
  running,
  settings,
  snapshotOf,
  task,
} from '../../support/state-builder.ts';

/** Two backends of one VIP. */
const STATE = marathonState(
  ...['a', 'b'].map((id, i) =>
    task('web', {
      id,
      discovery: discovery(
        'web',
        labelled(port(80, 'tcp', 'http', 'container'), { VIP_0: '/web:80' }),
      ),
      statuses: [running([network([`10.0.1.${i}`])])],
    }),
  ),
);

/** What becomes of the state with these verdicts: weights of the VIP, and addresses of the name. */
function served(
  verdicts: Readonly<Record<string, TaskHealth>>,
): [weights: number[], names: string[]] {
  const zone = settings({ vip: { enabled: true }, names: { unhealthy: 'avoid' } });
  const rejections = new RejectionList();
  const snapshot = withHealth(snapshotOf(STATE), 'marathon', new Map(Object.entries(verdicts)));
  const catalog = buildCatalog(snapshot, new Map(), zone.names, rejections);
  const { services } = buildVipTable(catalog, zone.vip, zone.names, 'mesos', rejections);
  const backends = [...services].flatMap(({ ports }) => ports.flatMap((one) => one.backends));
  const tasks = catalog.frameworks.flatMap((framework) => framework.tasks);
  const named = tasks.filter(({ avoided }) => !avoided);
  return [backends.map(({ weight }) => weight).sort(), named.map(({ task: { id } }) => id)];
}

test('a backend that Marathon finds fault with gets no new connections, nor its name', () => {
  const [weights, names] = served({ a: 'unhealthy' });
  assert.equal(weights.length, 2);
  assert.deepEqual(
    weights.map((weight) => weight > 0),
    [false, true],
  );
  assert.deepEqual(names, ['b']);
});

test('a VIP whose backends all fail at Marathon is balanced as if it had said nothing', () => {
  assert.deepEqual(served({ a: 'unhealthy', b: 'not-ready' }), served({}));
  const [weights, names] = served({});
  assert.ok(weights.every((weight) => weight > 0));
  assert.deepEqual(names, ['a', 'b']);
});
