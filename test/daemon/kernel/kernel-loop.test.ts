import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DaemonError } from '../../../src/core/base/daemon-error.ts';
import { changeLine } from '../../../src/core/ipvs/ipvsadm-text.ts';
import type { IpvsPlanView, IpvsView } from '../../../src/core/views/kernel-view.ts';
import { SOURCE, table, type TableText } from '../../support/ipvs-tables.ts';
import {
  A,
  B,
  INTERVAL_MS,
  MASTER,
  partial,
  Running,
  SETTINGS,
  update,
  VIP,
  WEB,
} from './running-loop.ts';

const COUNTERS = { connections: 1, packetsIn: 2, packetsOut: 3, bytesIn: 4, bytesOut: 5 };

describe('the first comparison', () => {
  test('IPVS c.1: nothing is touched before there is a table', async (t) => {
    const running = new Running(t);
    const { kernel, loop } = running;
    kernel.tables.services.set(WEB, {
      ...table({ [WEB]: [A] }).get(WEB)!,
      destinations: new Map(),
    });
    loop.configure(SETTINGS);
    await running.quiet();
    assert.deepEqual(running.takeChanges(), []);
    assert.equal(running.status.state, 'starting');
    assert.equal(running.status.services, 1);
    assert.equal(running.programmed, null);
  });

  test('the kernel is made as the table wants it, and told of', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A, `${B}=0`] });
    assert.equal(running.takeChanges().length, 6);
    assert.deepEqual(running.programmed, [VIP]);
    const { state, services, destinations, weightZero, changes, driftRepaired, source } =
      running.status;
    assert.deepEqual(
      { state, services, destinations, weightZero, changes, driftRepaired, source },
      {
        state: 'synced',
        services: 1,
        destinations: 2,
        weightZero: 1,
        changes: 6,
        driftRepaired: 0,
        source: SOURCE,
      },
    );
  });

  test('a report says how many updates the kernel has, and counts none that could not be made', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A] });
    assert.equal(running.reports.at(-1)?.updates, 1);
    running.loop.desire(update({ [WEB]: [A, B] }, { isWhole: false }));
    await running.quiet();
    assert.equal(running.reports.at(-1)?.updates, 2);
    const unread = new Running(t);
    unread.kernel.observe = () => Promise.reject(new DaemonError('kernel-module', 'no IPVS'));
    await unread.start({ [WEB]: [A] });
    assert.equal(unread.reports.at(-1)?.updates, 0);
  });

  test('IPVS c.1: a kernel that is right is left alone', async (t) => {
    const before = new Running(t);
    await before.start({ [WEB]: [A, B] });
    const after = new Running(t);
    for (const [key, service] of before.kernel.tables.services) {
      after.kernel.tables.services.set(key, service);
    }
    after.kernel.tables.routes.set(VIP, SOURCE.ipv4);
    await after.start({ [WEB]: [A, B] });
    assert.deepEqual(after.takeChanges(), []);
    assert.deepEqual(after.programmed, [VIP]);
  });

  test('IPVS c.31: nothing goes before a whole table that may be trusted', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A], [`tcp ${VIP}:81`]: [A] });
    const second = new Running(t);
    for (const [key, service] of running.kernel.tables.services) {
      second.kernel.tables.services.set(key, service);
    }
    second.kernel.tables.routes.set(VIP, SOURCE.ipv4);
    second.loop.configure(SETTINGS);
    second.loop.desire(partial({ [WEB]: [B] }));
    await second.quiet();
    assert.deepEqual(second.takeChanges(), [`add-destination ${WEB} ${B} weight 1 masq`]);
    assert.equal(second.programmed, null);
    second.loop.desire(update({ [WEB]: [B] }, { mayRemove: false }));
    await second.quiet();
    assert.deepEqual(second.takeChanges(), []);
    assert.deepEqual(second.programmed, [VIP]);
    second.loop.desire(partial({}));
    await second.quiet();
    assert.deepEqual(second.takeChanges(), [
      `edit-destination ${WEB} ${A} weight 0 masq`,
      `edit-destination tcp ${VIP}:81 ${A} weight 0 masq`,
    ]);
  });
});

describe('updates', () => {
  test('one changed backend is one change, and nothing is read for it', async (t) => {
    const running = new Running(t);
    const others = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`tcp 10.208.1.${i}:80`, [A, B]]),
    );
    await running.start({ ...others, [WEB]: [A] });
    running.takeChanges();
    running.kernel.calls.length = 0;
    running.loop.desire(partial({ [WEB]: [A, B] }));
    await running.quiet();
    assert.deepEqual(running.takeChanges(), [`add-destination ${WEB} ${B} weight 1 masq`]);
    assert.deepEqual(running.kernel.calls, ['apply']);
  });

  test('updates that come while the kernel is busy are made together', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A] });
    running.takeChanges();
    let release = (): void => undefined;
    running.kernel.before = () => new Promise((resolve) => (release = resolve));
    running.loop.desire(partial({ [WEB]: [`${A}=2`] }));
    running.loop.desire(partial({ [WEB]: [`${A}=3`] }));
    running.loop.desire(partial({ [WEB]: [`${A}=4`] }));
    running.kernel.before = () => undefined;
    release();
    await running.quiet();
    assert.deepEqual(running.takeChanges(), [
      `edit-destination ${WEB} ${A} weight 2 masq`,
      `edit-destination ${WEB} ${A} weight 4 masq`,
    ]);
  });

  test('a VIP is told as programmed with its first service and not after its last', async (t) => {
    const running = new Running(t);
    await running.start({});
    assert.deepEqual(running.programmed, []);
    running.loop.desire(partial({ [WEB]: [A] }));
    await running.quiet();
    assert.deepEqual(running.programmed, [VIP]);
    running.loop.desire(partial({}, [WEB]));
    await running.quiet();
    assert.deepEqual(running.programmed, []);
    assert.equal(running.status.draining, 1);
  });

  test('a VIP that comes back at once comes back whole', async (t) => {
    const running = new Running(t);
    const key = `udp ${VIP}:53`;
    await running.start({ [key]: [A] });
    const added = running.takeChanges();
    running.loop.desire(partial({}, [key]));
    await running.quiet();
    assert.equal(running.takeChanges().length, 5);
    running.loop.desire(partial({ [key]: [A] }));
    await running.quiet();
    assert.deepEqual(running.takeChanges(), added);
  });

  test('IPVS c.3: what was counted before the weight was 0 does not end a drain', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A, B] });
    running.kernel.tables.connect(WEB, A, 1);
    running.takeChanges();
    running.loop.desire(partial({ [WEB]: [B] }));
    await running.quiet();
    running.loop.desire(partial({ [WEB]: [`${B}=2`] }));
    await running.quiet();
    assert.deepEqual(running.takeChanges(), [
      `edit-destination ${WEB} ${A} weight 0 masq`,
      `edit-destination ${WEB} ${B} weight 2 masq`,
    ]);
    await running.pass(5_000);
    assert.deepEqual(running.takeChanges(), []);
    running.kernel.tables.connect(WEB, A, 0);
    await running.pass(5_000);
    assert.deepEqual(running.takeChanges(), [`delete-destination ${WEB} ${A}`]);
    assert.equal(running.status.driftRepaired, 0);
  });
});

describe('beats', () => {
  test('IPVS c.14: what others did is undone at the next beat, and counted', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A, B] });
    running.takeChanges();
    const { tables } = running.kernel;
    tables.services.get(WEB)!.destinations.delete(B);
    tables.routes.delete(VIP);
    for (const [key, service] of table({ [`udp ${VIP}:9`]: [], 'tcp 192.168.7.7:80': [A] })) {
      tables.services.set(key, { ...service, destinations: new Map(service.destinations) });
    }
    await running.pass(INTERVAL_MS);
    assert.deepEqual(running.takeChanges(), [
      `add-destination ${WEB} ${B} weight 1 masq`,
      `set-route ${VIP} source ${SOURCE.ipv4}`,
      `delete-service udp ${VIP}:9`,
    ]);
    assert.equal(running.status.driftRepaired, 3);
    await running.pass(INTERVAL_MS);
    assert.deepEqual(running.takeChanges(), []);
    assert.equal(running.status.driftRepaired, 3);
  });

  test('an update that comes during a repair does not cost a VIP its name', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A] });
    const { kernel, loop, reports } = running;
    kernel.tables.services.set(`udp ${VIP}:9`, {
      ...table({ [`udp ${VIP}:9`]: [] }).get(`udp ${VIP}:9`)!,
      destinations: new Map(),
    });
    const before = reports.length;
    kernel.before = (call) => {
      if (call !== 'apply') return;
      kernel.before = () => undefined;
      // The only backend is another one now.
      loop.desire(partial({ [WEB]: [B] }));
    };
    await running.pass(INTERVAL_MS);
    assert.deepEqual(running.kernel.tables.services.get(WEB)?.destinations.get(B)?.weight, 1);
    const told = reports.slice(before).map(({ programmed }) => programmed);
    assert.ok(told.length >= 2);
    assert.deepEqual(
      told.filter((programmed) => programmed !== null),
      [],
    );
  });

  test('IPVS c.28: a new address of the node is written to the routes', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A] });
    running.takeChanges();
    running.kernel.sources.set(MASTER, '10.0.0.6');
    await running.pass(INTERVAL_MS);
    assert.deepEqual(running.takeChanges(), [`set-route ${VIP} source 10.0.0.6`]);
    assert.equal(running.status.driftRepaired, 0);
    assert.deepEqual(running.programmed, [VIP]);
  });

  test('the source is that of the default route where the cluster is on this node', async (t) => {
    for (const towards of [null, '127.0.0.1']) {
      const running = new Running(t);
      running.kernel.sources.set('192.0.2.1', '10.0.0.7');
      await running.start({ [WEB]: [A] }, { towards });
      assert.equal(running.status.source.ipv4, '10.0.0.7');
    }
  });

  test('without a way out there is no route, and the status says why', async (t) => {
    const running = new Running(t);
    running.kernel.sources.clear();
    await running.start({ [WEB]: [A] });
    assert.equal(running.status.state, 'degraded');
    assert.match(running.status.reasons.join(), /set kernel\.nodeAddress\.ipv4/);
    assert.deepEqual(running.programmed, []);
    running.loop.configure({ ...SETTINGS, nodeAddress: { ipv4: '10.0.0.8', ipv6: null } });
    await running.quiet();
    assert.equal(running.status.state, 'synced');
    assert.equal(running.kernel.tables.routes.get(VIP), '10.0.0.8');
  });

  test('a way out that is lost for a moment costs no VIP its name', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A] });
    running.takeChanges();
    running.kernel.sources.clear();
    await running.pass(INTERVAL_MS);
    assert.deepEqual(running.programmed, [VIP]);
    assert.deepEqual(running.takeChanges(), []);
  });

  test('sysctls are looked at each time, and SNAT rules follow the setting', async (t) => {
    const running = new Running(t);
    running.kernel.snat = ['left behind'];
    await running.start({ [WEB]: [A] });
    assert.equal(running.kernel.snat, null);
    const ok = { name: 'net.ipv4.vs.conntrack', value: '1', wanted: '1', ok: true };
    running.kernel.sysctlList = [ok];
    await running.pass(INTERVAL_MS);
    assert.deepEqual(running.status.sysctls, [ok]);
    running.loop.configure({ ...SETTINGS, snat: true });
    await running.quiet();
    assert.deepEqual(running.kernel.snat, SETTINGS.owned);
    running.loop.configure(SETTINGS);
    await running.quiet();
    assert.equal(running.kernel.snat, null);
  });

  test('counters of our services come with each reconciliation', async (t) => {
    const running = new Running(t);
    running.kernel.traffic.set(WEB, COUNTERS).set('tcp 192.168.7.7:80', COUNTERS);
    await running.start({ [WEB]: [A] });
    const told = running.reports.filter(({ counters }) => counters !== undefined);
    assert.deepEqual(told.at(-1)?.counters, new Map([[WEB, COUNTERS]]));
    await running.pass(INTERVAL_MS);
    assert.equal(running.reports.filter(({ counters }) => counters !== undefined).length, 2);
  });

  test('a service with thresholds is read exactly', async (t) => {
    const running = new Running(t);
    const limited = update({ [WEB]: [A] });
    const services = limited.services.map((service) => ({
      ...service,
      destinations: service.destinations.map((one) => ({ ...one, upperThreshold: 9 })),
    }));
    running.loop.configure(SETTINGS);
    running.loop.desire({ ...limited, services });
    await running.quiet();
    assert.deepEqual(
      running.kernel.exact.map(({ address, port }) => ({ address, port })),
      [{ address: VIP, port: 80 }],
    );
  });
});

describe('failures', () => {
  test('IPVS c.18: without the capability the reason is told, and it is tried again', async (t) => {
    const running = new Running(t);
    running.kernel.broken.set('prepare', 'kernel-permission');
    await running.start({ [WEB]: [A] });
    assert.equal(running.status.state, 'degraded');
    assert.deepEqual(running.status.reasons, ['the test broke prepare']);
    assert.deepEqual(running.status.errors, { 'kernel-permission': 1 });
    assert.equal(running.programmed, null);
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) {
      const calls = running.kernel.calls.length;
      let waited = 0;
      while (running.kernel.calls.length === calls) {
        await running.pass(250);
        waited += 250;
      }
      waits.push(waited);
    }
    assert.ok(waits[0]! <= 1_000, `first retry after ${waits[0]} ms`);
    assert.ok(waits.at(-1)! >= INTERVAL_MS / 2, `last retry after ${waits.at(-1)} ms`);
    assert.ok(Math.max(...waits) <= INTERVAL_MS + 250);
    running.kernel.broken.clear();
    await running.pass(INTERVAL_MS);
    assert.equal(running.status.state, 'synced');
    assert.deepEqual(running.programmed, [VIP]);
  });

  test('IPVS c.16: a scheduler that is missing costs its service, and only that', async (t) => {
    const running = new Running(t);
    running.kernel.refuse = (change) =>
      changeLine(change).endsWith('scheduler mh') ? 'ENOENT' : null;
    await running.start({ [WEB]: [A], 'tcp 10.208.0.2:80': { scheduler: 'mh', to: [A] } });
    assert.equal(running.status.state, 'degraded');
    assert.match(running.status.reasons[0] ?? '', /the kernel says ENOENT \(ENOENT: add-service/);
    assert.deepEqual(running.programmed, [VIP]);
    assert.equal(running.status.errors['ENOENT'], 1);
    running.kernel.refuse = () => null;
    await running.pass(1_000);
    assert.equal(running.status.state, 'synced');
    assert.deepEqual([...running.programmed].sort(), [VIP, '10.208.0.2']);
    assert.equal(running.status.driftRepaired, 0);
  });

  test('thousands of refused changes are a few reasons', async (t) => {
    const running = new Running(t);
    running.kernel.refuse = ({ kind }) => (kind === 'add-service' ? 'ENOBUFS' : null);
    const many = Array.from({ length: 500 }, (_, i) => [`tcp 10.209.${i >> 8}.${i & 255}:80`, [A]]);
    await running.start(Object.fromEntries(many) as TableText);
    assert.equal(running.status.reasons.length, 2);
    assert.match(running.status.reasons[0] ?? '', /and 1499 more like it/);
    assert.equal(running.status.errors['ENOBUFS'], 1_500);
  });

  test('IPVS c.19: after a batch of which nobody knows the end, the kernel is read', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A] });
    running.takeChanges();
    running.kernel.broken.set('apply', 'kernel-timeout');
    running.loop.desire(partial({ [WEB]: [A, B] }));
    await running.quiet();
    assert.equal(running.status.state, 'degraded');
    assert.deepEqual(running.programmed, [VIP], 'what worked goes on');
    running.kernel.broken.clear();
    running.kernel.calls.length = 0;
    running.loop.desire(partial({ [WEB]: [A, `${B}=2`] }));
    await running.quiet();
    assert.equal(running.kernel.calls.length, 0, 'nothing is planned on what is not known');
    await running.pass(1_000);
    assert.deepEqual(running.kernel.calls.slice(0, 1), ['prepare']);
    assert.ok(running.kernel.calls.includes('observe'));
    assert.deepEqual(running.takeChanges(), [`add-destination ${WEB} ${B} weight 2 masq`]);
    assert.equal(running.status.state, 'synced');
  });

  test('IPVS c.17: without IPVS no VIP has a name, until it is back', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A] });
    running.kernel.broken.set('prepare', 'kernel-module');
    await running.pass(INTERVAL_MS);
    assert.deepEqual(running.programmed, []);
    running.kernel.broken.clear();
    await running.pass(INTERVAL_MS);
    assert.deepEqual(running.programmed, [VIP]);
  });

  test('an update does not hurry a kernel that cannot be read', async (t) => {
    const running = new Running(t);
    running.kernel.broken.set('observe', 'kernel-failed');
    await running.start({ [WEB]: [A] });
    const calls = running.kernel.calls.length;
    for (let i = 0; i < 20; i++) running.loop.desire(update({ [WEB]: [B] }));
    await running.quiet();
    assert.equal(running.kernel.calls.length, calls);
  });

  test('what surrounds the tables may fail without them', async (t) => {
    const running = new Running(t);
    running.kernel.broken.set('sysctls', 'kernel-failed').set('setSnat', 'kernel-failed');
    running.kernel.broken.set('counters', 'kernel-failed');
    await running.start({ [WEB]: [A] });
    assert.deepEqual(running.programmed, [VIP]);
    assert.deepEqual(running.status.reasons, [
      'the test broke setSnat',
      'the test broke sysctls',
      'the test broke counters',
    ]);
  });
});

describe('views', () => {
  test('the table is shown with what becomes of each entry', async (t) => {
    const running = new Running(t);
    running.kernel.traffic.set(WEB, COUNTERS);
    for (const [key, service] of table({ 'tcp 192.168.7.7:80': [A] })) {
      running.kernel.tables.services.set(key, { ...service, destinations: new Map() });
    }
    await running.start({ [WEB]: [A, B] });
    running.kernel.tables.connect(WEB, A, 4);
    running.loop.desire(partial({ [WEB]: [B] }));
    await running.quiet();
    running.kernel.tables.routes.delete(VIP);
    const view = JSON.parse(await running.loop.view('ipvs')) as IpvsView;
    assert.deepEqual(
      view.services.map(({ address, port, state, counters, destinations }) => ({
        key: `${address}:${port}`,
        state,
        bytesIn: counters?.bytesIn,
        destinations: destinations.map((one) => [one.address, one.state, one.activeConnections]),
      })),
      [
        { key: '192.168.7.7:80', state: 'foreign', bytesIn: undefined, destinations: [] },
        {
          key: `${VIP}:80`,
          state: 'desired',
          bytesIn: 4,
          destinations: [
            ['10.0.0.1', 'draining', 4],
            ['10.0.0.2', 'desired', 0],
          ],
        },
        { key: `${VIP}:0`, state: 'catch-all', bytesIn: undefined, destinations: [] },
        { key: `${VIP}:0`, state: 'catch-all', bytesIn: undefined, destinations: [] },
      ],
    );
    assert.deepEqual(view.drift, [`set-route ${VIP} source ${SOURCE.ipv4}`]);
  });

  test('the plan is shown and not made', async (t) => {
    const running = new Running(t);
    await running.start({ [WEB]: [A, B] });
    running.takeChanges();
    running.kernel.tables.services.get(WEB)!.destinations.delete(B);
    const plan = JSON.parse(await running.loop.view('ipvs-plan')) as IpvsPlanView;
    assert.deepEqual(plan.lines, [`add-destination ${WEB} ${B} weight 1 masq`]);
    assert.equal(plan.ipvsadm, `-a -t ${VIP}:80 -r ${B} -m -w 1\n`);
    assert.equal(plan.changes[0]?.kind, 'add-destination');
    assert.deepEqual(running.takeChanges(), []);
  });

  test('a view fails with the kernel, and at the end', async (t) => {
    const running = new Running(t);
    const isFailure = (code: string) => (error: unknown) =>
      error instanceof DaemonError && error.code === code;
    await assert.rejects(running.loop.view('ipvs'), isFailure('kernel-process'));
    await running.start({ [WEB]: [A] });
    running.kernel.broken.set('observe', 'kernel-timeout');
    await assert.rejects(running.loop.view('ipvs'), isFailure('kernel-timeout'));
    await running.loop.stop();
    await assert.rejects(running.loop.view('ipvs'), isFailure('kernel-process'));
  });
});

test('at the end nothing is left to happen, and the kernel stays as it is', async (t) => {
  const running = new Running(t);
  await running.start({ [WEB]: [A] });
  await running.loop.stop();
  assert.equal(running.clock.pending, 0);
  assert.equal(running.kernel.isClosed, true);
  assert.equal(running.kernel.tables.routes.size, 1);
  running.loop.desire(partial({}, [WEB]));
  running.clock.advance(INTERVAL_MS);
  assert.equal(running.kernel.tables.services.size, 3);
});
