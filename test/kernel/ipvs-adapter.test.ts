import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import type { KernelChange } from '../../src/core/ipvs/plan.ts';
import { destinationKey, SCHEDULERS, serviceKey } from '../../src/core/ipvs/table.ts';
import { inTime, waitUntil } from '../support/wait-until.ts';
import {
  backend,
  ipvsadmLines,
  NODE,
  readSysctl,
  run,
  service,
  useKernel,
  writeSysctl,
} from './adapter-rig.ts';

// The adapter alone, in the network namespace of this process; ipvsadm tells what is there.
const kernel = useKernel();

async function apply(...changes: readonly KernelChange[]): Promise<string[]> {
  const failures = await kernel.apply(changes);
  return failures.map(({ change, errno, message }) => `${change.kind} ${errno} ${message}`);
}

test('a service is made, edited and deleted as ipvsadm sees it', async () => {
  const web = service('10.208.1.1');
  const one = backend('10.9.1.1');
  const two = backend('10.9.1.2', { weight: 0, upperThreshold: 10, lowerThreshold: 5 });
  const added = await apply(
    { kind: 'add-service', service: web },
    { kind: 'add-destination', service: web, destination: one },
    { kind: 'add-destination', service: web, destination: two },
  );
  assert.deepEqual(added, []);
  assert.deepEqual(ipvsadmLines('10.208.1.1').sort(), [
    '-A -t 10.208.1.1:80 -s wlc',
    '-a -t 10.208.1.1:80 -r 10.9.1.1:31000 -m -w 1',
    '-a -t 10.208.1.1:80 -r 10.9.1.2:31000 -m -w 0',
  ]);
  assert.match(
    run('ipvsadm', '-Ln', '-t', '10.208.1.1:80', '--thresholds'),
    /-> 10\.9\.1\.2:31000 +10 +5 /,
  );
  const edited = await apply(
    { kind: 'edit-service', service: { ...web, scheduler: 'rr', persistenceSeconds: 90 } },
    { kind: 'edit-destination', service: web, destination: { ...one, weight: 7 } },
    { kind: 'delete-destination', service: web, destination: two },
  );
  assert.deepEqual(edited, []);
  assert.deepEqual(ipvsadmLines('10.208.1.1'), [
    '-A -t 10.208.1.1:80 -s rr -p 90',
    '-a -t 10.208.1.1:80 -r 10.9.1.1:31000 -m -w 7',
  ]);
  assert.deepEqual(await apply({ kind: 'delete-service', service: web }), []);
  assert.deepEqual(ipvsadmLines('10.208.1.1'), []);
});

test('what was made is observed, of every protocol, family, scheduler and forwarding', async () => {
  const services = [
    ...SCHEDULERS.map((scheduler, i) => service('10.208.2.1', { scheduler, port: 1000 + i })),
    service('10.208.2.2', { scheduler: 'sh', schedulerFlags: 0x18, persistenceSeconds: 360 }),
    service('10.208.2.2', { protocol: 'udp', persistenceSeconds: 1 }),
    service('10.208.2.2', { protocol: 'sctp' }),
    service('10.208.2.2', { port: 0 }),
    service('fd00:208::2', { scheduler: 'mh', schedulerFlags: 0x10 }),
    service('fd00:208::2', { protocol: 'udp', port: 0 }),
  ];
  const destinationsOf = (address: string) =>
    address.includes(':')
      ? [backend('fd00:9::5'), backend('10.9.1.9', { forwarding: 'tunnel', port: 80 })]
      : [
          backend('10.9.1.1', { upperThreshold: 100, lowerThreshold: 50 }),
          backend('10.9.1.2', { forwarding: 'direct', port: 80, weight: 65536 }),
          backend('10.9.1.3', { forwarding: 'tunnel', port: 80, weight: 0 }),
        ];
  const failures = await apply(
    ...services.flatMap((one): KernelChange[] => [
      { kind: 'add-service', service: one },
      ...destinationsOf(one.address).map((destination): KernelChange => ({
        kind: 'add-destination',
        service: one,
        destination,
      })),
    ]),
  );
  assert.deepEqual(failures, []);
  const { services: table } = await kernel.observe(services);
  for (const one of services) {
    const { destinations, ...found } = table.get(serviceKey(one)) ?? assert.fail(serviceKey(one));
    assert.deepEqual(found, one);
    const wanted = destinationsOf(one.address).map((destination) => ({
      ...destination,
      activeConnections: 0,
      inactiveConnections: 0,
    }));
    const byAddress = [...destinations.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
    assert.deepEqual(
      byAddress,
      wanted.sort((a, b) => (a.address < b.address ? -1 : 1)),
    );
  }
});

test('foreign services are observed with what they have of their own', async () => {
  run('ipvsadm', '-A', '-u', '10.208.3.1:53', '-s', 'rr', '-o', '-p', '7');
  run('ipvsadm', '-A', '-f', '77', '-s', 'rr');
  const { services } = await kernel.observe();
  const found = services.get('udp 10.208.3.1:53');
  assert.deepEqual([found?.schedulerFlags, found?.persistenceSeconds], [4, 7]);
  assert.ok(![...services.keys()].some((key) => key.includes('77')));
});

test('thresholds that somebody else has set are found', async () => {
  const web = service('10.208.4.1');
  await apply(
    { kind: 'add-service', service: web },
    { kind: 'add-destination', service: web, destination: backend('10.9.1.1') },
  );
  const edit = ['-e', '-t', '10.208.4.1:80', '-r', '10.9.1.1:31000', '-m', '-x', '9', '-y', '3'];
  run('ipvsadm', ...edit);
  const { services } = await kernel.observe();
  const found = services.get('tcp 10.208.4.1:80')?.destinations.get('10.9.1.1:31000');
  assert.deepEqual([found?.upperThreshold, found?.lowerThreshold], [9, 3]);
});

test('IPVS c.24: what is there is edited, what is gone is deleted', async () => {
  const web = service('10.208.5.1');
  const one = backend('10.9.1.1');
  const changes: KernelChange[] = [
    { kind: 'add-service', service: web },
    { kind: 'add-destination', service: web, destination: one },
  ];
  await apply(...changes);
  const again = await apply(
    { kind: 'add-service', service: { ...web, scheduler: 'rr' } },
    { kind: 'add-destination', service: web, destination: { ...one, weight: 4 } },
    { kind: 'delete-destination', service: web, destination: backend('10.9.1.7') },
    { kind: 'delete-service', service: service('10.208.5.2') },
    { kind: 'delete-destination', service: service('10.208.5.2'), destination: one },
  );
  assert.deepEqual(again, []);
  assert.deepEqual(ipvsadmLines('10.208.5.1'), [
    '-A -t 10.208.5.1:80 -s rr',
    '-a -t 10.208.5.1:80 -r 10.9.1.1:31000 -m -w 4',
  ]);
});

test('IPVS c.16: a scheduler that is missing is named, and the rest is made', async () => {
  const odd = service('10.208.6.1', { scheduler: 'nosuch' });
  const failures = await apply(
    { kind: 'add-service', service: odd },
    { kind: 'add-destination', service: odd, destination: backend('10.9.1.1') },
    { kind: 'add-service', service: service('10.208.6.2') },
  );
  assert.deepEqual(failures, [
    'add-service ENOENT the kernel has no IPVS scheduler nosuch: load the module ip_vs_nosuch',
    'add-destination ESRCH its service is not there',
  ]);
  assert.equal(ipvsadmLines('10.208.6.2').length, 1);
});

test('IPVS c.19: 1,000 services that are there already overflow nothing', async () => {
  const changes = Array.from({ length: 1000 }, (_, i): KernelChange => {
    const one = service('10.208.7.1', { port: 1 + i });
    return { kind: 'add-service', service: one };
  });
  assert.deepEqual(await apply(...changes), []);
  assert.deepEqual(await apply(...changes), []);
  const { services } = await kernel.observe();
  const found = [...services.values()].filter(({ address }) => address === '10.208.7.1');
  assert.equal(found.length, 1000);
});

test('connections are counted, and those that are open are observed', async (t) => {
  const server = createServer((socket) => socket.on('error', () => socket.destroy()));
  server.listen(0, NODE.ipv4);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const web = service('10.208.8.1');
  const one = backend(NODE.ipv4, { port });
  const failures = await apply(
    { kind: 'add-service', service: web },
    { kind: 'add-destination', service: web, destination: one },
    { kind: 'set-route', address: web.address, source: NODE.ipv4 },
  );
  assert.deepEqual(failures, []);
  const client = connect(web.port, web.address);
  t.after(() => {
    client.destroy();
    server.close();
  });
  await inTime('a connection', once(client, 'connect'));
  const { services } = await kernel.observe();
  const observed = services.get(serviceKey(web))?.destinations.get(destinationKey(one));
  assert.equal(observed?.activeConnections, 1);
  // The kernel adds up every two seconds.
  const counters = await waitUntil('the connection in the counters', async () => {
    const found = (await kernel.counters()).get(serviceKey(web));
    return found !== undefined && found.connections > 0 && found;
  });
  assert.equal(counters.connections, 1);
  assert.ok(counters.packetsIn >= 2 && counters.bytesIn >= 80);
});

test('sysctls are reported, then set', async () => {
  const set = (mode: 'set' | 'report') =>
    kernel.sysctls(mode).then((list) => {
      return list.find(({ name }) => name === 'net.ipv4.vs.expire_nodest_conn');
    });
  writeSysctl('net.ipv4.vs.expire_nodest_conn', '0');
  assert.deepEqual(await set('report'), {
    name: 'net.ipv4.vs.expire_nodest_conn',
    value: '0',
    wanted: '1',
    ok: false,
  });
  assert.equal((await set('set'))?.ok, true);
  assert.equal(readSysctl('net.ipv4.vs.expire_nodest_conn'), '1');
});
