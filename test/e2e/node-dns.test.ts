import assert from 'node:assert/strict';
import { promises } from 'node:dns';
import { after, before, suite, test } from 'node:test';
import { formatHostPort } from '../../src/core/base/host-port.ts';
import { SuiteCleanup } from '../support/cleanup.ts';
import { ANY_PORT, serve } from '../support/cli-process.ts';
import { MANY, OUTSIDE, startResolver, startSmallMaster } from '../support/e2e-master.ts';

const shared = new SuiteCleanup();
const resolver = new promises.Resolver({ timeout: 5_000, tries: 1 });

suite('the resolver of Node (c-ares)', () => {
  before(start);
  after(() => shared.run());

  test('resolve4 and resolve6 get addresses with their TTL', async () => {
    const v4 = await resolver.resolve4('web.shop.marathon.mesos', { ttl: true });
    assert.deepEqual(
      v4.sort((a, b) => (a.address < b.address ? -1 : 1)),
      [
        { address: '10.0.1.1', ttl: 60 },
        { address: '10.0.1.2', ttl: 60 },
      ],
    );
    assert.deepEqual(await resolver.resolve6('dual.marathon.mesos', { ttl: true }), [
      { address: 'fd00:9::5', ttl: 60 },
    ]);
  });

  test('resolve4 gets all addresses of a large service', async () => {
    assert.equal(new Set(await resolver.resolve4('many.marathon.mesos')).size, MANY);
  });

  test('resolveSrv gets ports and targets', async () => {
    const found = await resolver.resolveSrv('_web.shop._tcp.marathon.mesos');
    // Node 26 adds a `type`.
    const services = found.map(({ name, port, priority, weight }) => {
      return { name, port, priority, weight };
    });
    assert.deepEqual(
      services.sort((a, b) => a.port - b.port),
      [
        { name: 'web.shop-i74gz-s0.marathon.mesos', port: 31_001, priority: 0, weight: 1 },
        { name: 'web.shop-t4ba4-s1.marathon.mesos', port: 31_002, priority: 0, weight: 1 },
      ],
    );
  });

  test('resolveSoa and resolveNs describe the zone', async () => {
    const { serial, nsname, hostmaster, refresh, retry, expire, minttl } =
      await resolver.resolveSoa('mesos');
    assert.ok(serial > 1_700_000_000, 'the serial is a time');
    const soa = { nsname, hostmaster, refresh, retry, expire, minttl };
    assert.deepEqual(soa, {
      nsname: 'ns1.mesos',
      hostmaster: 'root.ns1.mesos',
      refresh: 60,
      retry: 600,
      expire: 86_400,
      minttl: 5,
    });
    assert.deepEqual(await resolver.resolveNs('mesos'), ['ns1.mesos']);
  });

  test('resolveAny gets one kind of records', async () => {
    assert.deepEqual(await resolver.resolveAny('dual.marathon.mesos'), [
      { type: 'A', address: '9.0.1.5', ttl: 60 },
    ]);
  });

  test('a missing name is ENOTFOUND, a missing type ENODATA', async () => {
    await assert.rejects(resolver.resolve4('nobody.mesos'), { code: 'ENOTFOUND' });
    await assert.rejects(resolver.resolve6('web.shop.marathon.mesos'), { code: 'ENODATA' });
  });

  test('names outside the zone are forwarded', async () => {
    assert.deepEqual(await resolver.resolve4(OUTSIDE.name), [OUTSIDE.v4]);
    assert.deepEqual(await resolver.resolve6(OUTSIDE.name), [OUTSIDE.v6]);
    await assert.rejects(resolver.resolve4('nobody.example.test'), { code: 'ENOTFOUND' });
  });
});

async function start(): Promise<void> {
  const master = await startSmallMaster(shared);
  const upstream = await startResolver(shared);
  const daemon = await serve(shared, {
    cluster: { masters: [master.text] },
    ...ANY_PORT,
    dns: { ...ANY_PORT.dns, ttlSeconds: 60 },
    forward: { upstreams: [upstream.text] },
  });
  await daemon.ready();
  const { address, port } = daemon.dns;
  resolver.setServers([formatHostPort({ host: address, port })]);
}
